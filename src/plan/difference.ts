/** One field that differs from the config. */
export interface FieldDifference {
  readonly field: string
  readonly is: unknown
  readonly wanted: unknown
}

/** One live object that differs from the config. Data; `src/plan/report.ts` prints it. */
export interface Difference {
  /** `+` is missing and would be created, `~` differs, `-` is surplus, `!` blocks a deployment. */
  readonly sign: '+' | '~' | '-' | '!'
  readonly where: 'AWX' | 'cluster' | 'bucket'
  /** `job template`, `CronJob`, `bucket`, … */
  readonly kind: string
  readonly name: string
  readonly fields: readonly FieldDifference[]
  /** A remark that no field shows, one line. */
  readonly note?: string
}

/** The result of a comparison: the differences, how much was compared, and what could not be reached. */
export interface Comparison {
  readonly differences: readonly Difference[]
  /** Objects that were looked at and are as they should be, or not. */
  readonly compared: number
  readonly unreachable: readonly { readonly what: string; readonly why: string; readonly next: string }[]
}
