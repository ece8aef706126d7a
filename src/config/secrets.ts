import type { Problem } from '../report/problem.ts'
import { placeIn } from './place.ts'

// Texts that open something to whoever reads them. The config is committed, and everyone who can read it is not trusted
// with these.
const secrets: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: 'a private age key', pattern: /AGE-(SECRET-KEY|PLUGIN)-[A-Z0-9-]+/gi },
  { what: 'a private key', pattern: /-----BEGIN[ A-Z0-9]*PRIVATE KEY-----[\s\S]*/g },
  { what: 'a password in an address', pattern: /(?<=[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)[^\s/@]+(?=@)/gi },
  { what: 'a password in an address', pattern: /(?<=^[\w.-]+:)[^\s/:@]+(?=@[\w.-]+[:/])/g },
  { what: 'a password', pattern: /(?<=\bpassw(?:or)?d=)\S+/gi },
  {
    what: 'a secret in the query of an address',
    pattern: /(?<=[?&][\w-]*(?:token|secret|passw|key|signature|sig)[\w-]*=)[^&\s]+/gi,
  },
  { what: 'a token', pattern: /\b(gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,})/g },
  { what: 'a token', pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g },
  { what: 'an access key', pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
]

/** A store's keys as Ceph and AWS make them: 20 capitals and digits, 40 characters of mixed case. */
function looksRandom(text: string): boolean {
  if (/^(?=.*\d)(?=.*[A-Z])[A-Z0-9]{20}$/.test(text)) return true
  return /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9+/]{40}$/.test(text)
}

/** The text with every secret in it replaced by `***`. */
export function redact(text: string): string {
  const left = secrets.reduce((left, { pattern }) => left.replaceAll(pattern, '***'), text)
  return left.replaceAll(/[A-Za-z0-9+/]{20,}/g, word => (looksRandom(word) ? '***' : word))
}

/** What kind of secret a text holds, if any. */
function secretIn(text: string): string | undefined {
  return secrets.find(({ pattern }) => text.search(pattern) !== -1)?.what ?? (looksRandom(text) ? 'a key' : undefined)
}

/** A problem for every text and key of a config that is a secret. None of them repeats it. */
export function secretsIn(config: unknown, file: string): Problem[] {
  const found: Problem[] = []
  const visit = (value: unknown, path: readonly (string | number)[]): void => {
    if (typeof value === 'string') {
      const what = secretIn(value)
      if (what === undefined) return
      found.push({
        ruleId: 'secret-in-config',
        severity: 'error',
        location: { file, path: redact(placeIn(config, path)) },
        message: `holds ${what}, but everyone can read the committed config`,
        suggest: 'change that secret, because it was exposed, and name a Secret or a credential instead',
      })
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (!Array.isArray(value)) visit(key, path)
        visit(inner, [...path, Array.isArray(value) ? Number(key) : key])
      }
    }
  }
  visit(config, [])
  return found
}
