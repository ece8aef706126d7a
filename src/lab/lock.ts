import { readFile, writeFile } from 'node:fs/promises'
import { lock } from '../agent/run/lock.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'

/**
 * Does work that only one process of this machine may do at a time. The kernel releases the lock when its holder ends,
 * however it ends.
 *
 * @param file is created if it is missing, and stays
 * @throws CommandFailure that names the process that holds the lock
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const unlock = await lock(file, 'the lab').catch(async error => {
    if (error.kind !== 'busy') throw error
    const holder = (await readFile(file, 'utf8').catch(() => '')).trim()
    throw new CommandFailure(
      exitCodes.usage,
      `another run (process ${holder}) is using the lab`,
      'wait until it has ended',
    )
  })
  try {
    await writeFile(file, `${process.pid}\n`)
    return await work()
  } finally {
    await unlock()
  }
}
