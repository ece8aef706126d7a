import { limitEmpty } from './limit-empty.ts'
import { playbookUnknown } from './playbook-unknown.ts'
import type { AwxRule } from './rule.ts'
import { schedulesCollide } from './schedules-collide.ts'
import { surveyBreaksRole } from './survey-breaks-role.ts'
import { timeoutTooShort } from './timeout-too-short.ts'

/**
 * Every rule that the definitions for AWX are checked against, in the order of their findings: what an edit of the
 * config, a playbook or a role can break. What no edit can break is a property of the generator, in its tests.
 */
export const awxRules: readonly AwxRule[] = [
  playbookUnknown,
  limitEmpty,
  surveyBreaksRole,
  timeoutTooShort,
  schedulesCollide,
]
