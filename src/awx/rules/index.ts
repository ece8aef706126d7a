import { approvalHangs } from './approvalHangs.ts'
import { credentialTypeTwice } from './credentialTypeTwice.ts'
import { failureEndsGreen } from './failureEndsGreen.ts'
import { injectorBroken } from './injectorBroken.ts'
import { jobSliced } from './jobSliced.ts'
import { limitEmpty } from './limitEmpty.ts'
import { notificationDoubled } from './notificationDoubled.ts'
import { notificationMissing } from './notificationMissing.ts'
import { objectTwice } from './objectTwice.ts'
import { playbookUnknown } from './playbookUnknown.ts'
import { promptNotAsked } from './promptNotAsked.ts'
import { referenceBroken } from './referenceBroken.ts'
import { roleTooWide } from './roleTooWide.ts'
import { rruleRefused } from './rruleRefused.ts'
import type { AwxRule } from './rule.ts'
import { schedulesCollide } from './schedulesCollide.ts'
import { scheduleUnanswered } from './scheduleUnanswered.ts'
import { secretInDefinition } from './secretInDefinition.ts'
import { surveyBreaksRole } from './surveyBreaksRole.ts'
import { surveyRefused } from './surveyRefused.ts'
import { surveyShadows } from './surveyShadows.ts'
import { tagUnknown } from './tagUnknown.ts'
import { timeoutTooShort } from './timeoutTooShort.ts'
import { tlsUnverified } from './tlsUnverified.ts'
import { workflowBroken } from './workflowBroken.ts'

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
