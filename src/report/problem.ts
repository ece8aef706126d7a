/** What a rule found. A problem is data; `src/report/` prints it. */
export interface Problem {
  /** The rule's id, in kebab case: `bucket-used-twice`. */
  readonly ruleId: string
  readonly severity: 'error' | 'warning'
  /** Where: a file, the place inside it (`systems[3].bucket`), and its line, counted from 1, if it is known. */
  readonly location: { readonly file: string; readonly path: string; readonly line?: number }
  /** What is wrong, one line, no full stop. */
  readonly message: string
  /** What to write or do instead, one line, no full stop. */
  readonly suggest: string
}

/** The names in `known` nearest to a mistyped one, for a suggestion; empty if none is near. */
export function nearest(word: string, known: readonly string[]): string[] {
  return known
    .map(name => ({ name, distance: editDistance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(2, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(({ name }) => name)
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substitution))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
