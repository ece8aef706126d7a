import { defineConfig } from 'vitest/config'

// Each works on the one lab of the machine, so they take turns.
const onTheLab = ['ansible', 'agent', 'plan', 'faults', 'recovery', 'rancher', 'cluster']

export default defineConfig({
  test: {
    projects: [
      // These need no lab. Some start a command of ours, or Ansible, which takes seconds on a busy machine.
      { test: { name: 'unit', include: ['test/{unit,awx}/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'lab',
          include: onTheLab.map(level => `test/${level}/**/*.test.ts`),
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
