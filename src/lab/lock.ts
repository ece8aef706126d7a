import { type FileHandle, open, readFile, rm } from 'node:fs/promises'
import { exitCodes, Failure } from '../report/failure.ts'

/**
 * Does work that only one process of this machine may do at a time. A lock whose holder is dead is taken over.
 * Throws a `Failure` that names the holder while it lives.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  const handle = await take(file)
  try {
    return await work()
  } finally {
    await handle.close()
    await rm(file, { force: true })
  }
}

async function take(file: string): Promise<FileHandle> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = await open(file, 'wx', 0o600)
      await handle.write(`${process.pid} ${await startOf(process.pid)}\n`)
      return handle
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      const [pid, start] = (await readFile(file, 'utf8').catch(() => '')).trim().split(' ')
      if (pid && (await startOf(Number(pid))) === start) {
        throw new Failure(
          exitCodes.usage,
          `another run (process ${pid}) is at work on the lab`,
          'wait until it has ended',
        )
      }
      await rm(file, { force: true })
    }
  }
  throw new Failure(exitCodes.usage, `${file} cannot be taken`, 'wait until the other run has ended')
}

/** When a process started, in the kernel's ticks: a number given to another process since has another start. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
