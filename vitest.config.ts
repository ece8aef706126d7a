import { defineConfig } from 'vitest/config'

// The unit level is quick and runs side by side; every other level works on the one lab of the machine, in turn.
const onTheLab = ['ansible', 'agent', 'cluster', 'rancher', 'faults', 'awx', 'recovery']

export default defineConfig({
  test: {
    projects: [
      // Some start a command of ours, or Ansible, which takes seconds on a busy machine.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
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
