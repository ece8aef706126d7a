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

const fileErrors: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EACCES: 'may not be read or written by you',
  EPERM: 'may not be read or written by you',
  EISDIR: 'is a folder, not a file',
  ENOTDIR: 'has a file where a folder should be',
  EEXIST: 'is there already',
  EROFS: 'is on a read-only file system',
  ENOSPC: 'has no room left',
}
const networkErrors =
  /^(E(CONNREFUSED|CONNRESET|NOTFOUND|AI_AGAIN|TIMEDOUT|HOSTUNREACH|NETUNREACH|PROTO)|CERT_|UND_ERR_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/

interface SystemError extends Error {
  readonly code?: string
  readonly path?: string
  readonly syscall?: string
  readonly errors?: readonly unknown[]
}

/** An error of the system (a file, a program, the network) as a failure; `undefined` for any other. */
export function systemFailure(error: unknown): CommandFailure | undefined {
  if (!(error instanceof Error)) return undefined
  if (error instanceof CommandFailure) return error
  const { code = '', path = '', syscall = '', errors = [], cause, message } = error as SystemError
  const [line = ''] = message.split('\n')
  if (
    code === 'ENOENT' &&
    (syscall.startsWith('spawn') || (cause as SystemError | undefined)?.syscall?.startsWith('spawn'))
  ) {
    const program = (cause as SystemError | undefined)?.path ?? path
    return new CommandFailure(
      exitCodes.unreachable,
      `the program \`${program}\` is not installed`,
      'install it, or add its folder to PATH',
      { cause: error },
    )
  }
  if (path !== '' && fileErrors[code]) {
    return new CommandFailure(
      exitCodes.usage,
      `${path} ${fileErrors[code]} (${code})`,
      'name another file, or correct this one',
      { cause: error },
    )
  }
  if (networkErrors.test(code)) {
    return new CommandFailure(
      exitCodes.unreachable,
      line || code,
      'check the address, its certificate and the network',
      { cause: error },
    )
  }
  for (const inner of [cause, ...errors]) {
    const found = systemFailure(inner)
    if (found) return found
  }
  return undefined
}
