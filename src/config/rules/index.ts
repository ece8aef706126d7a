import { bucketUsedTwice } from './bucket-used-twice.ts'
import { clusterUnknown } from './cluster-unknown.ts'
import { imageNotPinned } from './image-not-pinned.ts'
import { nameUsedTwice } from './name-used-twice.ts'
import { promiseNotKept } from './promise-not-kept.ts'
import type { Rule } from './rule.ts'
import { scheduleNeverFires } from './schedule-never-fires.ts'
import { scheduleSkipped } from './schedule-skipped.ts'
import { volumeUsedTwice } from './volume-used-twice.ts'

/** Every rule a config is held against, in the order of their findings. */
export const rules: readonly Rule[] = [
  nameUsedTwice,
  bucketUsedTwice,
  volumeUsedTwice,
  clusterUnknown,
  scheduleNeverFires,
  scheduleSkipped,
  promiseNotKept,
  imageNotPinned,
]
