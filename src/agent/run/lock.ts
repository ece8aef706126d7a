import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Failure } from './outcome.ts'

const CONFLICT = 75

/**
 * Hold a lock on a file or folder until this process exits: a `flock` held by a child that reads our pipe. Even after
 * SIGKILL the pipe closes, the child exits and the kernel releases the lock. S3 offers no lock: radosgw ignores
 * `If-None-Match`.
 *
 * @param waitSeconds how long to wait for another holder
 * @returns a function that lets go
 * @throws Failure busy when another process holds it; volume when the place cannot be locked
 */
export async function lock(place: string, who: string, waitSeconds = 0): Promise<() => Promise<void>> {
  const wait = waitSeconds > 0 ? ['--wait', String(waitSeconds)] : ['--nonblock']
  const args = ['--exclusive', ...wait, '--conflict-exit-code', String(CONFLICT), place]
  const child = spawn('flock', [...args, '--command', 'echo held; exec cat'], { stdio: ['pipe', 'pipe', 'pipe'] })
  const stderr: string[] = []
  child.stderr.on('data', chunk => stderr.push(String(chunk)))
  const ended = once(child, 'close')
  const held = once(createInterface(child.stdout), 'line').then(() => 'held' as const)
  const first = await Promise.race([held, ended])
  if (first !== 'held') {
    if (child.exitCode === CONFLICT) {
      throw new Failure('busy', `another run of ${who} is active (it has locked ${place}): nothing was done`)
    }
    throw new Failure(
      'volume',
      `cannot lock ${place}: ${stderr.join('').trim() || `flock exited with ${child.exitCode}`}`,
    )
  }
  return async () => {
    child.stdin.end()
    await ended
  }
}
