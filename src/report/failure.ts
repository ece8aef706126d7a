/** The exit codes of every command: success, findings, a broken config or usage, something outside cannot be reached. */
export const exitCodes = { success: 0, findings: 1, usage: 2, unreachable: 3 } as const

/** A command cannot continue. `message` says where and why, `next` what to do; `tools/main.ts` prints both. */
export class CommandFailure extends Error {
  override name = 'CommandFailure'
  readonly exitCode: number
  readonly next: string

  constructor(exitCode: number, message: string, next: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
    this.next = next
  }
}
