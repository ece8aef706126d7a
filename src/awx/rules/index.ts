import { approvalHangs } from './approval-hangs.ts'
import { credentialTypeTwice } from './credential-type-twice.ts'
import { failureEndsGreen } from './failure-ends-green.ts'
import { injectorBroken } from './injector-broken.ts'
import { jobSliced } from './job-sliced.ts'
import { limitEmpty } from './limit-empty.ts'
import { notificationDoubled } from './notification-doubled.ts'
import { notificationMissing } from './notification-missing.ts'
import { objectTwice } from './object-twice.ts'
import { playbookUnknown } from './playbook-unknown.ts'
import { promptNotAsked } from './prompt-not-asked.ts'
import { referenceBroken } from './reference-broken.ts'
import { roleTooWide } from './role-too-wide.ts'
import { rruleRefused } from './rrule-refused.ts'
import type { AwxRule } from './rule.ts'
import { scheduleUnanswered } from './schedule-unanswered.ts'
import { schedulesCollide } from './schedules-collide.ts'
import { secretInDefinition } from './secret-in-definition.ts'
import { surveyBreaksRole } from './survey-breaks-role.ts'
import { surveyRefused } from './survey-refused.ts'
import { surveyShadows } from './survey-shadows.ts'
import { tagUnknown } from './tag-unknown.ts'
import { timeoutTooShort } from './timeout-too-short.ts'
import { tlsUnverified } from './tls-unverified.ts'
import { workflowBroken } from './workflow-broken.ts'

/** Every rule that AWX's definitions are held against, in the order of their findings. */
export const awxRules: readonly AwxRule[] = [
  objectTwice,
  referenceBroken,
  secretInDefinition,
  tlsUnverified,
  injectorBroken,
  credentialTypeTwice,
  playbookUnknown,
  limitEmpty,
  tagUnknown,
  surveyRefused,
  surveyShadows,
  surveyBreaksRole,
  timeoutTooShort,
  jobSliced,
  rruleRefused,
  promptNotAsked,
  scheduleUnanswered,
  schedulesCollide,
  workflowBroken,
  failureEndsGreen,
  approvalHangs,
  notificationMissing,
  notificationDoubled,
  roleTooWide,
]
