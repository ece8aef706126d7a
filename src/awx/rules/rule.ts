import type { Finding, Rule } from '../../config/rules/rule.ts'
import { nearest } from '../../report/problem.ts'
import type { Project } from '../project.ts'
import type { Definitions } from '../vocabulary.ts'

export type { Finding }

/** A rule that AWX's definitions are checked against. */
export type AwxRule = Rule<readonly [Definitions, Project]>

/** The names of the lists of definitions. */
export type List = {
  [K in keyof Definitions]: Definitions[K] extends readonly { readonly name: string }[] ? K : never
}[keyof Definitions]

/** The place of an object in the definitions: `controller_templates (Back up: x).timeout`. */
export function placeOf(list: List | 'controller_roles', name: string, key?: string): string {
  return `${list} (${name})${key === undefined ? '' : `.${key}`}`
}

/** What to write instead of a name that does not exist. */
export function orNearest(word: string, known: readonly string[], otherwise: string): string {
  const near = nearest(word, known)
  return near[0] === undefined ? otherwise : `did you mean \`${near[0]}\`?`
}
