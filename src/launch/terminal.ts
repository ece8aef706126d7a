import { createInterface } from 'node:readline/promises'

/** Where a launch shows its output and asks its user. */
export interface Terminal {
  /** Takes a line of the job's output. */
  readonly output: (line: string) => void
  /** Takes a line of progress. */
  readonly progress: (line: string) => void
  /** Whether the output may have colour codes. */
  readonly colour: boolean
  /** Whether there is a user to ask. */
  readonly interactive: boolean
  /** Aborted when the user wants to stop. */
  readonly interrupt: AbortSignal
  /** Asks a question that `y` agrees to; anything else, Ctrl-C and an aborted signal are a no. */
  confirm(question: string, signal?: AbortSignal): Promise<boolean>
}

/** This process's own terminal: output to standard output, progress and questions to standard error. */
export function processTerminal(command: string, colour: boolean): Terminal {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  return {
    output: line => process.stdout.write(`${line}\n`),
    progress: line => process.stderr.write(`${command}: ${line}\n`),
    colour,
    interactive: process.stdin.isTTY === true,
    interrupt: interrupt.signal,
    async confirm(question, signal) {
      const terminal = createInterface({ input: process.stdin, output: process.stderr })
      const left = new AbortController()
      terminal.once('SIGINT', () => left.abort())
      try {
        const answer = await terminal.question(question, {
          signal: signal ? AbortSignal.any([signal, left.signal]) : left.signal,
        })
        return /^y(es)?$/i.test(answer.trim())
      } catch {
        return false
      } finally {
        terminal.close()
      }
    },
  }
}
