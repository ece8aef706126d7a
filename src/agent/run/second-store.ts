import type { Environment, Store } from '../../store/client.ts'
import type { Receipt, ReceiptKind, StoredReceipt } from '../../store/receipt.ts'
import type { Variables } from './environment.ts'

/** What a kind gets to copy a system's newest copy from one store to another. */
export interface SecondCopyRequest<K extends ReceiptKind = ReceiptKind> {
  readonly first: Store
  readonly second: Store
  /** The bucket of the second store. */
  readonly bucket: string
  /** Of the newest copy in the first store. */
  readonly receipt: Receipt<K>
  /** The newest receipt in the second store. */
  readonly last: StoredReceipt<K> | undefined
  /** When the run began, by the clock of the second store. */
  readonly start: Date
  /** Days for which the second store keeps what was deleted or replaced. */
  readonly trashDays: number
  /** How many objects are copied at once. */
  readonly concurrency: number
  readonly stop: AbortSignal
}

/** What `second-copy` writes to. */
export interface SecondPlace {
  readonly bucket: string
  /** How many copies it keeps. */
  readonly keep: number
  /** The variables with which `openStore` opens it. */
  readonly env: Environment
}

/** The second store that the environment names. Problems are the variables'. */
export function secondPlace(variables: Variables): SecondPlace {
  return {
    bucket: variables.required('BACKUP_SECOND_BUCKET', 'the bucket in the second store'),
    keep: variables.count('BACKUP_SECOND_COUNT', 1, 1),
    env: {
      RCLONE_S3_ENDPOINT: variables.required('BACKUP_SECOND_ENDPOINT', 'the URL of the second store'),
      AWS_DEFAULT_REGION: variables.optional('BACKUP_SECOND_REGION'),
      AWS_ACCESS_KEY_ID: variables.required('BACKUP_SECOND_ACCESS_KEY_ID', 'the key of the second store'),
      AWS_SECRET_ACCESS_KEY: variables.required('BACKUP_SECOND_SECRET_ACCESS_KEY', 'the secret of that key'),
      BACKUP_PROTECT: variables.optional('BACKUP_SECOND_PROTECT'),
      BACKUP_PROTECT_DAYS: variables.optional('BACKUP_SECOND_PROTECT_DAYS'),
      USE_RCLONE_NO_CHECK_CERTIFICATE: variables.optional('USE_RCLONE_NO_CHECK_CERTIFICATE'),
    },
  }
}
