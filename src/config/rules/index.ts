import { awxUnknown } from './awx-unknown.ts'
import { bucketUsedTwice } from './bucket-used-twice.ts'
import { clusterUnknown } from './cluster-unknown.ts'
import { clusterUsedTwice } from './cluster-used-twice.ts'
import { cronjobsCrowded } from './cronjobs-crowded.ts'
import { drillKeyShared } from './drill-key-shared.ts'
import { imageNotPinned } from './image-not-pinned.ts'
import { nameTaken } from './name-taken.ts'
import { nameUsedTwice } from './name-used-twice.ts'
import { nobodyTold } from './nobody-told.ts'
import { placeShared } from './place-shared.ts'
import { promiseNotKept } from './promise-not-kept.ts'
import { protectionTooWeak } from './protection-too-weak.ts'
import { replacesOurs } from './replaces-ours.ts'
import type { Rule } from './rule.ts'
import { scheduleNeverFires } from './schedule-never-fires.ts'
import { scheduleSkipped } from './schedule-skipped.ts'
import { secondStoreWrong } from './second-store-wrong.ts'
import { secretNotKept } from './secret-not-kept.ts'
import { systemContradictory } from './system-contradictory.ts'

/** Every rule that a config is checked against, in the order of their findings. */
export const rules: readonly Rule[] = [
  nameUsedTwice,
  nameTaken,
  bucketUsedTwice,
  placeShared,
  replacesOurs,
  clusterUnknown,
  awxUnknown,
  clusterUsedTwice,
  scheduleNeverFires,
  scheduleSkipped,
  cronjobsCrowded,
  promiseNotKept,
  protectionTooWeak,
  secondStoreWrong,
  systemContradictory,
  secretNotKept,
  drillKeyShared,
  imageNotPinned,
  nobodyTold,
]
