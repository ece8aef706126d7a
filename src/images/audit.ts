import { execa } from 'execa'

/** What a registry says of the packages of `package-lock.json`. */
export type Audit =
  | { readonly asked: true; readonly vulnerable: readonly Vulnerable[] }
  /** Nothing is known: the registry, or the mirror in its place, does not answer such questions. */
  | { readonly asked: false; readonly why: string }

/** A package with published weaknesses. */
export interface Vulnerable {
  readonly name: string
  /** As the registry rates it: `low`, `moderate`, `high`, `critical`. */
  readonly severity: string
  /** The titles of the weaknesses, or the packages that it has them from. */
  readonly because: readonly string[]
}

/**
 * Ask the registry that npm is configured with for known weaknesses of every package in `package-lock.json`.
 *
 * @param folder of `package-lock.json`
 */
export async function audit(folder: string, env: Readonly<Record<string, string>> = {}): Promise<Audit> {
  // It ends with 1 both if it finds something and if it could not ask.
  const { stdout, stderr } = await execa('npm', ['audit', '--json', '--package-lock-only', '--fetch-retries=0'], {
    cwd: folder,
    env,
    reject: false,
  })
  return readAudit(stdout, stderr)
}

/** What `npm audit --json` printed. */
export function readAudit(stdout: string, stderr: string): Audit {
  let answer: Answer
  try {
    answer = JSON.parse(stdout) as Answer
  } catch {
    return { asked: false, why: stderr.trim().split('\n').at(-1) || 'npm audit printed nothing' }
  }
  if (answer.vulnerabilities === undefined) {
    return { asked: false, why: answer.message ?? answer.error?.summary ?? 'the answer holds no report' }
  }
  const vulnerable = Object.entries(answer.vulnerabilities).map(([name, { severity, via }]) => ({
    name,
    severity,
    because: via.map(cause => (typeof cause === 'string' ? cause : cause.title)),
  }))
  return { asked: true, vulnerable }
}

interface Answer {
  readonly message?: string
  readonly error?: { readonly summary?: string }
  readonly vulnerabilities?: Readonly<
    Record<string, { readonly severity: string; readonly via: readonly (string | { readonly title: string })[] }>
  >
}
