import { stderr } from 'node:process'

// How much of the log goes with the heartbeat of a failed run: enough to show the cause.
const TAIL_BYTES = 8_000

// In a terminal the last line may be one of progress, which the next replaces.
const CLEAR_IF_TERMINAL = stderr.isTTY ? '\r\u001b[K' : ''

const lines: string[] = []
let kept = 0

/** Write a line with the time to stderr. */
export function log(text: string): void {
  const line = `${new Date().toISOString().slice(0, 19)}Z ${text}\n`
  stderr.write(CLEAR_IF_TERMINAL + line)
  lines.push(line)
  kept += line.length
  while (kept > TAIL_BYTES && lines.length > 1) kept -= lines.shift()?.length ?? 0
}

/** Write a program's output to stderr as it is. */
export function passOn(chunk: Uint8Array): void {
  stderr.write(chunk)
}

/** The end of the log so far. */
export function logTail(): string {
  return lines.join('')
}

/** Bytes for people: `1.5 GiB`. */
export function sized(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`
}

// A pod's log is read by people and kept for long: one line in half a minute shows progress.
const PROGRESS_EVERY_MS = 30_000
// In a terminal it is one line that is written again.
const TERMINAL_EVERY_MS = 500

/**
 * Log the progress of long work: amount done, rate and, if the total is known, the time left. In a terminal it is one
 * line that is kept up to date.
 *
 * @returns a function that takes the amount done so far
 */
export function progress(
  what: string,
  total?: number,
  show: (amount: number) => string = sized,
): (done: number) => void {
  const began = Date.now()
  let told = began
  return done => {
    const now = Date.now()
    if (now - told < (stderr.isTTY ? TERMINAL_EVERY_MS : PROGRESS_EVERY_MS)) return
    told = now
    const rate = done / ((now - began) / 1000)
    const left = total && rate > 0 ? `, ${duration((total - done) / rate)} left` : ''
    const of = total ? ` of ${show(total)} (${Math.floor((100 * done) / total)} %)` : ''
    const text = `${what}: ${show(done)}${of}, ${show(Math.round(rate))}/s${left}`
    if (stderr.isTTY) stderr.write(CLEAR_IF_TERMINAL + text)
    else log(text)
  }
}

/** Seconds for people: `2 h 05 min`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}
