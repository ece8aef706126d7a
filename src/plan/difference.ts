/** One field that is not as the config has it. */
export interface FieldDifference {
  readonly field: string
  readonly is: unknown
  readonly wanted: unknown
}

/** One thing of the live world that is not as the config has it. Data; `src/plan/report.ts` prints it. */
export interface Difference {
  /** `+` is missing and would be made, `~` differs, `-` is there though nothing names it, `!` stands in the way. */
  readonly sign: '+' | '~' | '-' | '!'
  readonly where: 'AWX' | 'cluster' | 'bucket'
  /** `job template`, `CronJob`, `bucket`, … */
  readonly kind: string
  readonly name: string
  readonly fields: readonly FieldDifference[]
  /** What no field tells, one line. */
  readonly note?: string
}

/** What a comparison saw: the differences, what it looked at, and what it could not reach. */
export interface Comparison {
  readonly differences: readonly Difference[]
  /** Objects that were looked at and are as they should be, or not. */
  readonly compared: number
  readonly unreachable: readonly { readonly what: string; readonly why: string; readonly next: string }[]
}
