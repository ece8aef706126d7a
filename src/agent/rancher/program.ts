import { Failure } from '../run/outcome.ts'

// How many lines of a program's output a message contains.
const LINES = 5

/** A copying program's failure: a full disk is a kind of its own, because it needs another remedy. */
export function programFailure(program: string, exitCode: number | undefined, stderr: string): Failure {
  const said = `${program} ended with ${exitCode ?? 'a signal'}: ${stderr.trim().split('\n').slice(-LINES).join('; ')}`
  return /No space left on device|Disk quota exceeded/.test(stderr) ? stagingFull(said) : new Failure('copy', said)
}

/** The staging folder is full. */
export function stagingFull(said: string): Failure {
  return new Failure('volume', `the staging folder is full: ${said}. Free some space there, and run again`)
}
