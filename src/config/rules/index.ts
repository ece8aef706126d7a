import { bucketUsedTwice } from './bucketUsedTwice.ts'
import { clusterUnknown } from './clusterUnknown.ts'
import { imageNotPinned } from './imageNotPinned.ts'
import { nameUsedTwice } from './nameUsedTwice.ts'
import type { Rule } from './rule.ts'
import { scheduleNeverFires } from './scheduleNeverFires.ts'
import { scheduleSkipped } from './scheduleSkipped.ts'
import { volumeUsedTwice } from './volumeUsedTwice.ts'

/** Every rule a config is held against, in the order of their findings. */
export const rules: readonly Rule[] = [
  nameUsedTwice,
  bucketUsedTwice,
  volumeUsedTwice,
  clusterUnknown,
  scheduleNeverFires,
  scheduleSkipped,
  imageNotPinned,
]
