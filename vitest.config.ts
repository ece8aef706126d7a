import { defineConfig } from 'vitest/config'

/** Tests that work on the one lab of the machine, and so take turns. */
const onTheLab = (name: string, levels: readonly string[]) => ({
  test: {
    name,
    include: levels.map(level => `test/${level}/**/*.test.ts`),
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})

// A level is what its tests need. tools/test.ts says which projects run beside each other.
export default defineConfig({
  test: {
    projects: [
      // Node. Some start a command of ours, which takes seconds on a busy machine.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      // Ansible, and for `awx` a controller: a real AWX or the stand-in for it.
      { test: { name: 'ansible', include: ['test/{ansible,awx}/**/*.test.ts'], testTimeout: 120_000 } },
      // The lab's bucket store, this machine's PostgreSQL and Chromium; the lab's cluster.
      onTheLab('parts', ['agent', 'browser', 'cluster']),
      // The lab's Docker host.
      onTheLab('host', ['host']),
      // The whole lab.
      onTheLab('whole', ['whole']),
    ],
  },
})
