import type { Question } from './kind.ts'

/**
 * One option of a job, defined only here. The survey's question, the role's default and argument specification, the
 * variable that the agent reads, and the reference page are generated from it.
 */
export interface JobOption {
  /** The role's variable without the role's prefix. */
  readonly name: string
  /** The survey's question. */
  readonly question: string
  /** The meaning of the answer: shown below the question, and the description in the role. One line, no full stop. */
  readonly help: string
  /** `list` is a text with items separated by semicolons; the agent gets one item per line. */
  readonly type: 'text' | 'list' | 'choice' | 'boolean' | 'integer'
  /** For `choice`. */
  readonly choices?: readonly string[]
  /** `yes` or `no` for `boolean`. */
  readonly default: string
  /** Whether a text must not be empty; a choice never is. */
  readonly required?: boolean
  /** The agent's variable; without one, the option is for the role itself. */
  readonly environment?: string
  /** Whether no survey asks for it: it keeps its default unless a variable sets it. */
  readonly unasked?: boolean
}

/** The options of one entry point of a role. */
export interface OptionTable {
  readonly role: 'backup_system' | 'rancher_backup'
  readonly entryPoint: 'main' | 'restore' | 'drill' | 'verify'
  readonly options: readonly JobOption[]
}

/** The role's variable for an option. */
export function variableOf({ role }: OptionTable, name: string): string {
  return `${role}_${name}`
}

/** The survey that asks for a table's options. */
export function surveyOf(table: OptionTable): Question[] {
  return table.options
    .filter(option => !option.unasked)
    .map(option => ({
      question_name: option.question,
      question_description: option.help,
      variable: variableOf(table, option.name),
      type: choicesOf(option).length > 0 ? 'multiplechoice' : 'text',
      required: option.required ?? choicesOf(option).length > 0,
      default: option.default,
      choices: choicesOf(option),
    }))
}

/** The values that an option may have; empty for free text. */
export function choicesOf({ type, choices = [] }: JobOption): readonly string[] {
  return type === 'boolean' ? ['no', 'yes'] : choices
}

/** The agent's variables set by a table's options. */
export function environmentOf({ options }: OptionTable): string[] {
  return options.flatMap(({ environment }) => environment ?? []).sort()
}

/** The questions of a table's survey, by the agent's variable that the answer sets. */
export function questionsOf({ options }: OptionTable): Record<string, string> {
  const asked = options.filter(({ unasked }) => !unasked)
  return Object.fromEntries(
    asked.flatMap(({ environment, question }) => (environment ? [[environment, question]] : [])),
  )
}

/** Converts answers by option name to answers of the survey; missing required answers keep their default. */
export function answersOf(
  table: OptionTable,
  given: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const required = surveyOf(table).filter(question => question.required)
  return {
    ...Object.fromEntries(required.map(question => [question.variable, question.default])),
    ...Object.fromEntries(Object.entries(given).map(([name, value]) => [variableOf(table, name), value])),
  }
}
