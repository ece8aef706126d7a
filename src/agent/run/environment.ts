import type { Environment } from '../../store/client.ts'
import { Failure } from './outcome.ts'

/** Reads variables and collects the problems, so that one message names all of them. */
export class Variables {
  readonly #env: Environment
  readonly #problems: string[] = []

  constructor(env: Environment) {
    this.#env = env
  }

  /** A text, or undefined if it is unset or empty. */
  optional(name: string): string | undefined {
    return this.#env[name] || undefined
  }

  /** A required text. */
  required(name: string, what: string): string {
    const value = this.#env[name]
    if (!value) this.problem(`${name} is not set: ${what}`)
    return value ?? ''
  }

  oneOf<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.#env[name]
    if (!value) return fallback
    const found = choices.find(choice => choice.toLowerCase() === value.toLowerCase())
    if (!found) this.problem(`${name} is "${value}": use one of ${choices.join(', ')}`)
    return found ?? fallback
  }

  /** A whole number, at least `least`. */
  count(name: string, fallback: number, least = 0): number {
    const value = this.#env[name]
    if (!value) return fallback
    const number = Number(value)
    if (Number.isInteger(number) && number >= least) return number
    this.problem(`${name} is "${value}": use a whole number of at least ${least}`)
    return fallback
  }

  /** `yes` or `no`. */
  yes(name: string, fallback: boolean): boolean {
    return this.oneOf(name, ['yes', 'no'], fallback ? 'yes' : 'no') === 'yes'
  }

  /** Bytes a second, as `500K`, `20M` or `1G`; undefined if there is no limit. */
  rate(name: string): number | undefined {
    const value = this.#env[name]
    if (!value) return undefined
    const match = /^(\d+(?:\.\d+)?)([KMG]?)$/i.exec(value)
    if (match) return Number(match[1]) * 1024 ** ['', 'K', 'M', 'G'].indexOf((match[2] ?? '').toUpperCase())
    this.problem(`${name} is "${value}": use bytes a second, as 500K, 20M or 1G`)
    return undefined
  }

  problem(text: string): void {
    this.#problems.push(text)
  }

  /** @throws Failure environment with every problem found so far */
  check(): void {
    if (this.#problems.length > 0) throw new Failure('environment', this.#problems.join('; '))
  }
}

/** A place in the bucket store. */
export interface BucketPlace {
  bucket: string
  /** Without slashes at its ends; empty at the top of the bucket. */
  path: string
}

/** Split the contract's `bucket/and/path`, which may begin with a slash. */
export function bucketPlace(text: string): BucketPlace {
  const [bucket = '', ...rest] = text.split('/').filter(part => part !== '')
  return { bucket, path: rest.join('/') }
}

/** The place that the contract's variables name, whichever image's they are; an empty bucket if they name none. */
export function namedPlace(env: Environment): BucketPlace {
  return bucketPlace(env.S3_BUCKET_NAME || env.USE_RCLONE_BUCKET_AND_PATH || '')
}

/** Whether the contract's variables ask for a bucket. */
export function usesBucket(env: Environment): boolean {
  return !!env.USE_RCLONE && env.USE_RCLONE.toLowerCase() !== 'no'
}

/** Requires the variables of the bucket store. */
export function storeVariables(variables: Variables): void {
  variables.required('RCLONE_S3_ENDPOINT', 'the URL of the bucket store')
  variables.required('AWS_ACCESS_KEY_ID', 'the key of the bucket store')
  variables.required('AWS_SECRET_ACCESS_KEY', 'the secret of that key')
}
