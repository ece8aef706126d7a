import { defineConfig } from 'vitest/config'

/** Tests on a part of the lab. Their files take turns: they share its processors, and some change the part itself. */
const onTheLab = (name: string, levels = [name]) => ({
  test: {
    name,
    include: levels.map(level => `test/${level}/**/*.test.ts`),
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})

// A level is what its tests need; src/lab/test-run.ts runs levels side by side.
export default defineConfig({
  test: {
    // `npm test` repeats the messages of failures at its end, without vitest's differences: they name whole values.
    chaiConfig: { truncateThreshold: 2000 },
    projects: [
      // Node. Some start a command of ours, which takes seconds on a busy machine.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      // Ansible; `awx` also a controller: a real AWX or the stand-in.
      { test: { name: 'ansible', include: ['test/{ansible,awx}/**/*.test.ts'], testTimeout: 300_000 } },
      // The lab's bucket store, and this machine's PostgreSQL and Chromium.
      onTheLab('agent', ['agent', 'browser', 'faults/agent']),
      // The lab's cluster.
      onTheLab('cluster', ['cluster', 'faults/cluster']),
      // The lab's Docker host.
      onTheLab('host', ['host', 'faults/host']),
      // As `agent`. It takes an hour, and runs only if it is asked for.
      onTheLab('soak'),
      // The whole lab.
      onTheLab('whole'),
    ],
  },
})
