import type { Problem } from '../../report/problem.ts'
import type { Config } from '../schema.ts'

/** One thing that can be wrong: with a config whose shape is right, or with whatever else is looked at. */
export interface Rule<Subject extends readonly unknown[] = readonly [Config]> {
  /** In kebab case; stable, since people and CI filters name it. */
  readonly id: string
  /** What it finds and why that matters, for the reference. */
  readonly description: string
  check(...subject: Subject): Finding[]
}

/** Every problem that rules find; `file` is the file that they check. */
export function problemsOf<Subject extends readonly unknown[]>(
  rules: readonly Rule<Subject>[],
  file: string,
  ...subject: Subject
): Problem[] {
  return rules.flatMap(({ id, check }) =>
    check(...subject).map(
      ({ severity = 'error', path, message, suggest }): Problem => ({
        ruleId: id,
        severity,
        location: { file, path },
        message,
        suggest,
      }),
    ),
  )
}

/** A rule's finding: a problem without the rule's id, severity and file. */
export interface Finding extends Pick<Problem, 'message' | 'suggest'> {
  readonly severity?: Problem['severity']
  readonly path: string
}

/** The place of a system in the config, with its name for people. */
export function placeOf(config: Config, index: number, key?: string): string {
  const name = config.systems[index]?.name
  return `systems[${index}]${name === undefined ? '' : ` (${name})`}${key === undefined ? '' : `.${key}`}`
}

/** A finding for each value that more than one place holds, at every place but the first. */
export function repeated<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  found: (item: T, first: T, index: number) => Finding,
) {
  const first = new Map<string, T>()
  return items.flatMap((item, index) => {
    const key = keyOf(item)
    const before = first.get(key)
    if (before !== undefined) return [found(item, before, index)]
    first.set(key, item)
    return []
  })
}
