/** A request to the store, and its answer. */
export interface StoreCall {
  /** As S3 names it: `PutObject`. */
  operation: string
  bucket: string | undefined
  key: string | undefined
  /** The store's error code (`QuotaExceeded`), or the network's (`ECONNREFUSED`). */
  code: string
  /** HTTP status; undefined: there was no answer. */
  status: number | undefined
}

const calls = new WeakMap<object, StoreCall>()

/** The call that caused an error; undefined if the error is not from the store. */
export function callOf(error: unknown): StoreCall | undefined {
  return typeof error === 'object' && error !== null ? calls.get(error) : undefined
}

/** The HTTP status with which a store refused; undefined if it did not answer, or the error is another one. */
export function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode
}

/** Add the call that caused an error to its message. The error's name is unchanged. */
export function describeCall(
  error: unknown,
  { operation, bucket, key }: Pick<StoreCall, 'operation' | 'bucket' | 'key'>,
): void {
  if (!(error instanceof Error) || error.name === 'AbortError' || calls.has(error)) return
  const answer = error as Error & { Code?: string; code?: string }
  const status = statusOf(error)
  const unnamed = ['Error', 'UnknownError', 'Unknown'].includes(error.name)
  const code = unnamed ? (answer.Code ?? answer.code ?? (status ? `HTTP ${status}` : 'no answer')) : error.name
  const said = ['UnknownError', 'Unknown', code, ''].includes(error.message) ? '' : `: ${error.message}`
  calls.set(error, { operation, bucket, key, code, status })
  error.message = `${operation} ${place(bucket, key)}: ${code}${status ? ` (HTTP ${status})` : ''}${said}`
}

/** A location in the store for messages; line breaks and other invisible characters of a key are escaped. */
function place(bucket: string | undefined, key: string | undefined): string {
  const escaped = key === undefined ? '' : JSON.stringify(key).slice(1, -1).replaceAll('\\"', '"')
  return [bucket, escaped].filter(Boolean).join('/') || 'the store'
}
