import { type Field, tables } from './resources.ts'

/** What AWX would answer with status 400: field → complaints. */
export type Refusal = Record<string, unknown>

/** Why a field's table does not allow a value; `undefined` if it does. */
export function fieldRefusal(field: Field, value: unknown): string | undefined {
  if (value === null) {
    return field.type === 'id' || field.default === null ? undefined : 'This field may not be null.'
  }
  switch (field.type) {
    case 'string':
      if (typeof value !== 'string') return 'Not a valid string.'
      if (field.required && value === '') return 'This field may not be blank.'
      if (field.max_length !== undefined && value.length > field.max_length) {
        return `Ensure this field has no more than ${field.max_length} characters.`
      }
      return undefined
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'Must be a valid boolean.'
    case 'integer':
      if (typeof value !== 'number' || !Number.isInteger(value)) return 'A valid integer is required.'
      if (field.min_value !== undefined && value < field.min_value) {
        return `Ensure this value is greater than or equal to ${field.min_value}.`
      }
      return undefined
    case 'choice':
      return field.choices?.includes(value) ? undefined : `"${String(value)}" is not a valid choice.`
    default:
      return undefined
  }
}

interface Question {
  readonly [key: string]: unknown
}

/** AWX's complaints about a survey; the texts were copied from a running AWX. */
export function surveyRefusal(survey: Record<string, unknown>): string | undefined {
  for (const key of ['name', 'description', 'spec']) {
    if (!(key in survey)) return `Field '${key}' is missing from survey spec.`
  }
  const spec = survey.spec as Question[]
  if (!Array.isArray(spec)) return "'spec' must be a list of items."
  if (spec.length === 0) return "'spec' doesn't contain any items."
  const variables = new Set<unknown>()
  for (const [index, question] of spec.entries()) {
    for (const key of ['question_name', 'required', 'type', 'variable']) {
      if (!(key in question)) return `'${key}' missing from survey question ${index}`
    }
    const { type, variable, choices, default: answer } = question
    const types = tables.surveyQuestionTypes
    if (!types.includes(String(type))) {
      return `'${type}' in survey question ${index} is not one of '${types.join(', ')}' allowed question types.`
    }
    if (variables.has(variable)) return `'variable' '${variable}' duplicated in survey question ${index}.`
    variables.add(variable)
    for (const limit of ['min', 'max']) {
      if (question[limit] !== undefined && question[limit] !== null && typeof question[limit] !== 'number') {
        return `The ${limit} limit in survey question ${index} expected to be integer.`
      }
    }
    if (type === 'multiplechoice' || type === 'multiselect') {
      const list = Array.isArray(choices) ? choices : typeof choices === 'string' ? choices.split('\n') : []
      if (list.length === 0) return `Survey question ${index} of type ${type} must specify choices.`
      const answers = type === 'multiselect' ? String(answer ?? '').split('\n') : [answer]
      if (answer && !answers.every(a => list.includes(a))) {
        return 'Default choice must be answered from the choices listed.'
      }
    }
    if (answer !== undefined && answer !== '') {
      if (type === 'integer' && !Number.isInteger(answer)) {
        return `Default value ${answer} in survey question ${index} expected to be integer.`
      }
      if ((type === 'text' || type === 'textarea') && typeof answer !== 'string') {
        return `Default value ${answer} in survey question ${index} expected to be string.`
      }
    }
  }
  return undefined
}

/** AWX's complaints about a schedule's rule. */
export function rruleRefusal(rrule: string): string | undefined {
  const starts = rrule.match(/DTSTART/g) ?? []
  if (starts.length === 0) return 'Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ'
  if (starts.length > 1) return 'Multiple DTSTART is not supported.'
  if (/DTSTART:\d{8}T\d{6}(?!Z)/.test(rrule))
    return 'DTSTART cannot be a naive datetime. Require ;TZINFO= or YYYYMMDDTHHMMSSZZ.'
  if (!/RRULE:/.test(rrule)) return 'One or more rule required in rrule.'
  if (/RDATE|EXDATE/.test(rrule)) return 'RDATE and EXDATE are not supported.'
  for (const rule of rrule.split(/\s+/).filter(part => part.startsWith('RRULE:'))) {
    if (!/INTERVAL=\d+/.test(rule)) return 'INTERVAL required in rrule.'
    if (/FREQ=SECONDLY/.test(rule)) return 'SECONDLY is not supported.'
    if (/BYDAY=[^;]*\d/.test(rule)) return 'BYDAY with numeric prefix not supported.'
    if (/COUNT=/.test(rule) && /UNTIL=/.test(rule)) return 'RRULE may not contain both COUNT and UNTIL'
    if (Number(/COUNT=(\d+)/.exec(rule)?.[1] ?? 0) > 999) return 'COUNT > 999 is unsupported.'
  }
  return undefined
}

/** AWX's complaints about a credential type's inputs and injectors. */
export function credentialTypeRefusal(
  inputs: Record<string, unknown>,
  injectors: Record<string, unknown>,
): Refusal | undefined {
  const fields = (inputs.fields ?? []) as { id: string }[]
  for (const { id } of fields) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(id)) return { inputs: [`'${id}' is an invalid variable name`] }
  }
  const ids = new Set(fields.map(({ id }) => id))
  for (const [name, template] of Object.entries((injectors.env ?? {}) as Record<string, string>)) {
    if (name.startsWith('ANSIBLE_'))
      return { injectors: [`Environment variable ${name} may affect Ansible configuration so its use is not allowed.`] }
    for (const [, id] of template.matchAll(/\{\{\s*(\w+)\s*\}\}/g)) {
      if (!ids.has(id ?? '')) return { injectors: [`env.${name} uses an undefined field (${id})`] }
    }
  }
  return undefined
}
