/** What was asked of the store, and how it answered. */
export interface StoreCall {
  /** As S3 names it: `PutObject`. */
  operation: string
  bucket: string | undefined
  key: string | undefined
  /** The store's own code (`QuotaExceeded`), or that of the network (`ECONNREFUSED`). */
  code: string
  /** Of HTTP; undefined: there was no answer. */
  status: number | undefined
}

const calls = new WeakMap<object, StoreCall>()

/** The call that an error comes from; undefined for an error that is not the store's. */
export function callOf(error: unknown): StoreCall | undefined {
  return typeof error === 'object' && error !== null ? calls.get(error) : undefined
}

/** Say in an error's message which call it comes from. The error's name stays. */
export function describeCall(
  error: unknown,
  { operation, bucket, key }: Pick<StoreCall, 'operation' | 'bucket' | 'key'>,
): void {
  if (!(error instanceof Error) || error.name === 'AbortError' || calls.has(error)) return
  const answer = error as Error & { Code?: string; code?: string; $metadata?: { httpStatusCode?: number } }
  const status = answer.$metadata?.httpStatusCode
  const unnamed = ['Error', 'UnknownError', 'Unknown'].includes(error.name)
  const code = unnamed ? (answer.Code ?? answer.code ?? (status ? `HTTP ${status}` : 'no answer')) : error.name
  const said = ['UnknownError', 'Unknown', code, ''].includes(error.message) ? '' : `: ${error.message}`
  calls.set(error, { operation, bucket, key, code, status })
  error.message = `${operation} ${place(bucket, key)}: ${code}${status ? ` (HTTP ${status})` : ''}${said}`
}

/** A place in the store for messages; line breaks and other invisible characters of a key as escapes. */
function place(bucket: string | undefined, key: string | undefined): string {
  const escaped = key === undefined ? '' : JSON.stringify(key).slice(1, -1).replaceAll('\\"', '"')
  return [bucket, escaped].filter(Boolean).join('/') || 'the store'
}
