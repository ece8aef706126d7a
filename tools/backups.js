#!/usr/bin/env node
// The door to every command: runs on whatever Node the machine has, puts what is pinned into node_modules where that
// is missing or old, and goes on with the pinned Node.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const node = join(root, 'node_modules/.bin/node')

if (!installed()) {
  process.stderr.write('backups: installing what package-lock.json pins (npm ci)\n')
  const npm = spawnSync('npm', ['ci', '--no-fund', '--no-audit'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (npm.status !== 0 || !existsSync(node)) {
    process.stderr.write('backups: npm ci failed: see above; is the npm registry reachable?\n')
    process.exit(3)
  }
}

const child = spawn(
  node,
  ['--disable-warning=ExperimentalWarning', join(root, 'tools/main.ts'), ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${dirname(node)}:${process.env.PATH}`,
      // A command starts in half the time when its TypeScript need not be read anew.
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, 'node_modules/.cache/node'),
    },
  },
)
// The terminal sends its signals to the child as well; only those sent to this process alone must be passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
process.on('SIGINT', () => {})
child.on('exit', (code, signal) => process.exit(signal ? 128 + 2 : (code ?? 1)))

/** Whether node_modules holds what the lock file pins; npm keeps a copy of the lock file inside. */
function installed() {
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
    const present = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')).packages
    return (
      existsSync(node) &&
      Object.entries(wanted).every(
        ([path, { version, optional }]) => path === '' || optional || present[path]?.version === version,
      )
    )
  } catch {
    return false
  }
}
