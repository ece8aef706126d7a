import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { duration } from '../src/store/assess.ts'

/** Lines of progress, of which the last stays alive in a terminal: for how long it has been so, and how long it will take. */
export interface Live {
  readonly log: (line: string) => void
  /** Says what is being done without a line of its own outside a terminal. */
  readonly at: (step: string) => void
  /** Prints something else, which the last line must not be mixed with. */
  readonly above: (print: () => void) => void
  /** Takes the last line away until the next step, for a question. */
  readonly pause: () => void
  /** Remember how long it took, for the next time; only after a success. */
  readonly succeeded: () => Promise<void>
  readonly end: () => void
}

const EVERY_MS = 1000

/**
 * In a terminal the last line shows how long the work has been at it and, by the last run of the same kind, how far it
 * is and how long the rest will take. Anywhere else, plain lines.
 *
 * @param what the kind of work, whose times are remembered in `$XDG_CACHE_HOME/fragalysis-backups`
 * @param prefix what stands before each line; given the seconds since the start
 */
export async function liveLines(
  what: string,
  prefix: (seconds: number) => string,
  out: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'> = process.stderr,
): Promise<Live> {
  const file = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fragalysis-backups', `times-${what}.json`)
  const before = (await readFile(file, 'utf8')
    .then(JSON.parse)
    .catch(() => ({ steps: {}, total: 0 }))) as { steps: Record<string, number>; total: number }
  const began = performance.now()
  const steps: Record<string, number> = {}
  let current: { line: string; at: number } | undefined
  const show = () => {
    if (!current) return
    const ms = performance.now() - current.at
    const known = before.steps[current.line]
    const left = known === undefined ? 0 : before.total - known - ms
    const part = Math.floor((100 * (before.total - left)) / before.total)
    const rest = left > 0 ? `, ${part} %, about ${duration(left)} left` : ''
    const line = `${prefix(Math.round((performance.now() - began) / 1000))}${current.line} (${duration(ms)}${rest})`
    // A longer line would wrap, and only its end would be written over.
    out.write(`\r\u001b[K${line.slice(0, (out.columns || 80) - 1)}`)
  }
  const clear = () => {
    if (out.isTTY) out.write('\r\u001b[K')
  }
  const at = (step: string) => {
    const now = performance.now()
    steps[step] ??= now - began
    current = { line: step, at: now }
  }
  const timer = out.isTTY ? setInterval(show, EVERY_MS) : undefined
  timer?.unref()
  const pause = () => {
    if (current) clear()
    current = undefined
  }
  const end = () => {
    clearInterval(timer)
    pause()
  }
  return {
    log(line) {
      clear()
      out.write(`${prefix(Math.round((performance.now() - began) / 1000))}${line}\n`)
      at(line)
    },
    at,
    above(print) {
      clear()
      print()
    },
    pause,
    async succeeded() {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, JSON.stringify({ steps, total: performance.now() - began }))
    },
    end,
  }
}
