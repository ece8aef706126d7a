import type { Problem } from '../config/problem.ts'
import type { Project } from './project.ts'
import { awxRules } from './rules/index.ts'
import type { Definitions } from './vocabulary.ts'

/** Every problem that the rules find in definitions; `file` is where they are written. */
export function checkDefinitions(definitions: Definitions, project: Project, file: string): Problem[] {
  return awxRules.flatMap(({ id, check }) =>
    check(definitions, project).map(
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
