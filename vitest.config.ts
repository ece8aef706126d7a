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

// tools/test.ts runs them: the first while the lab is raised, the next two beside each other, the last alone.
export default defineConfig({
  test: {
    projects: [
      // These need no lab. Some start a command of ours, or Ansible, which takes seconds on a busy machine.
      { test: { name: 'unit', include: ['test/{unit,awx}/**/*.test.ts'], testTimeout: 60_000 } },
      onTheLab('rancher', ['rancher']),
      onTheLab('parts', ['ansible', 'agent', 'plan', 'faults', 'recovery', 'cluster']),
      onTheLab('whole', ['whole']),
    ],
  },
})
