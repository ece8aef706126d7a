import { Failure } from '../run/outcome.ts'

// What a message needs of a program that complained about many files.
const LINES = 5

/** A copying program's failure: a full disk told apart from the rest, because what to do is another thing. */
export function programFailure(program: string, exitCode: number | undefined, stderr: string): Failure {
  const said = `${program} ended with ${exitCode ?? 'a signal'}: ${stderr.trim().split('\n').slice(-LINES).join('; ')}`
  return /No space left on device|Disk quota exceeded/.test(stderr) ? stagingFull(said) : new Failure('copy', said)
}

/** The copy finds no room in the staging folder. */
export function stagingFull(said: string): Failure {
  return new Failure('volume', `the staging folder is full: ${said}. Free some room there, and run again`)
}
