import { Ajv, type ErrorObject } from 'ajv'
import { kinds } from '../kinds/index.ts'
import { nearest, type Problem } from '../report/problem.ts'
import { scheduleForms } from '../schedule/index.ts'
import { formats } from './formats.ts'
import { rules } from './rules/index.ts'
import { problemsOf } from './rules/rule.ts'
import { type Config, configSchema } from './schema.ts'
import { redact, secretsIn } from './secrets.ts'

const ajv = new Ajv({ allErrors: true, verbose: true, strict: false, strictNumbers: true })
for (const [name, { accepts }] of Object.entries(formats)) ajv.addFormat(name, accepts)
const validators = new Map<object, ReturnType<typeof ajv.compile>>()

type Schema = { properties?: Record<string, Schema>; anyOf?: Schema[]; [key: string]: unknown }

/**
 * Every problem of a value that should be a config: secrets in it, then its shape, then what the rules say, each only if
 * there is nothing wrong before it. No problem repeats a secret.
 */
export function checkConfig(value: unknown, file: string): { config?: Config; problems: Problem[] } {
  const secrets = secretsIn(value, file)
  if (secrets.length > 0) return { problems: secrets }
  const shape = checkShape(value, file)
  if (shape.length > 0) return { problems: shape.map(withoutSecrets) }
  const config = value as Config
  const problems = problemsOf(rules, file, config).map(withoutSecrets)
  return problems.some(p => p.severity === 'error') ? { problems } : { config, problems }
}

function withoutSecrets(problem: Problem): Problem {
  return { ...problem, message: redact(problem.message), suggest: redact(problem.suggest) }
}

function checkShape(value: unknown, file: string): Problem[] {
  const problems = against(configSchema, value, '', file)
  const systems = (value as { systems?: unknown } | null)?.systems
  if (Array.isArray(systems)) {
    systems.forEach((system: unknown, index) => {
      problems.push(...checkSystem(system, `systems[${index}]`, file))
    })
  }
  return problems
}

function checkSystem(system: unknown, path: string, file: string): Problem[] {
  const problem = (message: string, suggest: string, at = path): Problem[] => [
    { ruleId: 'shape', severity: 'error', location: { file, path: at }, message, suggest },
  ]
  if (typeof system !== 'object' || system === null) return problem('is not a system', 'write an object with a `kind`')
  const named = 'name' in system && typeof system.name === 'string' ? `${path} (${system.name})` : path
  const choices = Object.keys(kinds)
  const kind = 'kind' in system ? system.kind : undefined
  if (typeof kind !== 'string' || !Object.hasOwn(kinds, kind)) {
    const near = typeof kind === 'string' ? nearest(kind, choices) : []
    return problem(
      kind === undefined ? 'has no `kind`' : `there is no kind of system ${JSON.stringify(kind)}`,
      `write one of ${choices.map(k => `'${k}'`).join(', ')}${near[0] ? `; did you mean '${near[0]}'?` : ''}`,
      `${named}.kind`,
    )
  }
  return against(kinds[kind as keyof typeof kinds].schema, system, named, file)
}

/** What is wrong with a value by its schema, in words; of a union, only what is wrong with the form that was meant. */
function against(schema: object, value: unknown, path: string, file: string): Problem[] {
  let validate = validators.get(schema)
  if (!validate) {
    validate = ajv.compile(schema)
    validators.set(schema, validate)
  }
  if (validate(value)) return []
  const errors = validate.errors ?? []
  const unions = errors.filter(e => e.keyword === 'anyOf')
  return [
    ...errors
      .filter(e => !unions.some(u => e === u || e.instancePath.startsWith(`${u.instancePath}/`) || sameUnion(e, u)))
      .map(e => inWords(e, path, file)),
    ...unions
      .filter(u => !unions.some(o => o !== u && u.instancePath.startsWith(`${o.instancePath}/`)))
      .flatMap(u => formMeant(u, path, file)),
  ]
}

const sameUnion = (e: ErrorObject, u: ErrorObject) =>
  e.instancePath === u.instancePath && e.schemaPath.startsWith(u.schemaPath)

function formMeant(union: ErrorObject, path: string, file: string): Problem[] {
  const here = path + place(union.instancePath)
  const value: unknown = union.data
  const forms = union.schema as Schema[]
  const problem = (message: string, suggest: string, at = here): Problem[] => [
    { ruleId: 'shape', severity: 'error', location: { file, path: at }, message, suggest },
  ]
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const isSchedule = forms.some(f => f.properties?.every !== undefined)
    if (isSchedule) {
      const every = (value as { every?: unknown }).every
      const form =
        typeof every === 'string' && Object.hasOwn(scheduleForms, every)
          ? scheduleForms[every as keyof typeof scheduleForms]
          : undefined
      if (form) return against(form, value, here, file)
      return problem(
        `a schedule has no \`every: ${JSON.stringify(every)}\``,
        `write one of ${Object.keys(scheduleForms)
          .map(k => `'${k}'`)
          .join(', ')}`,
        `${here}.every`,
      )
    }
    const keys = Object.keys(value)
    const fits = (form: Schema) => keys.filter(key => form.properties && Object.hasOwn(form.properties, key)).length
    const best = [...forms].filter(f => f.properties).sort((a, b) => fits(b) - fits(a))[0]
    if (best && fits(best) > 0) return against(best, value, here, file)
  }
  const described = forms.map(f =>
    f.properties ? `{ ${Object.keys(f.properties).join(', ')} }` : String(f.type ?? 'a value'),
  )
  return problem(`${shown(value, here)} matches none of the allowed forms`, `write ${described.join(' or ')}`)
}

/** `/systems/3/bucket` → `.systems[3].bucket`. */
function place(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map(part => (/^\d+$/.test(part) ? `[${part}]` : `.${part.replaceAll('~1', '/').replaceAll('~0', '~')}`))
    .join('')
}

function inWords(error: ErrorObject, path: string, file: string): Problem {
  const at = (path + place(error.instancePath)).replace(/^\./, '')
  const parent = error.parentSchema as Schema & { description?: string }
  const said = (message: string, suggest: string, where = at): Problem => ({
    ruleId: 'shape',
    severity: 'error',
    location: { file, path: where || '(the whole config)' },
    message,
    suggest,
  })
  const key = (name: string) => (at ? `${at}.${name}` : name)
  switch (error.keyword) {
    case 'additionalProperties': {
      const name = String(error.params.additionalProperty)
      const known = Object.keys(parent.properties ?? {})
      const near = nearest(name, known)
      return said(
        `there is no key \`${name}\` here`,
        near[0] ? `did you mean \`${near[0]}\`?` : `use one of ${known.join(', ')}, or remove it`,
        key(name),
      )
    }
    case 'required': {
      const name = String(error.params.missingProperty)
      const wanted = parent.properties?.[name] as { description?: string } | undefined
      return said(
        `\`${name}\` is missing`,
        wanted?.description ? `add \`${name}\`: ${wanted.description}` : `add \`${name}\``,
        key(name),
      )
    }
    case 'type':
      return said(
        `${shown(error.data, at)} is ${article(typeName(error.data))}, not ${article(String(error.params.type))}`,
        `write ${article(String(error.params.type))}${parent.description ? `: ${parent.description}` : ''}`,
      )
    case 'enum': {
      const allowed = (error.params.allowedValues as unknown[]).map(String)
      const near = nearest(String(error.data), allowed)
      return said(
        `${shown(error.data, at)} is not one of its values`,
        near[0] ? `did you mean '${near[0]}'?` : `write one of ${allowed.map(a => `'${a}'`).join(', ')}`,
      )
    }
    case 'format': {
      const means = formats[String(error.params.format)]?.means ?? String(error.params.format)
      return said(`${shown(error.data, at)} is not ${means.split(':')[0]}`, `write ${means}`)
    }
    case 'uniqueItems': {
      const twice = (error.data as unknown[])[Number(error.params.i)]
      return said(`lists ${shown(twice, at)} twice`, 'remove one of the two')
    }
    default:
      return said(
        `${shown(error.data, at)} ${error.message ?? 'is not valid'}`,
        parent.description ?? 'see the config reference',
      )
  }
}

// The names of keys whose value, wrongly written as a text, may be a secret.
const sensitive = /passw|secret|token|credential|identity|webhook|mattermost|(^|[^a-z])keys?$/i

/** A value for a message: short, and never one that may be a secret. */
function shown(value: unknown, path: string): string {
  const key = /([^.[\]]*)(\[\d+\])*$/.exec(path)?.[1] ?? ''
  if (typeof value === 'string' && (sensitive.test(key) || sensitive.test(path.split('.').at(-2) ?? '')))
    return 'its value'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'this list' : 'this object'
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value
}
const article = (noun: string) => `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`
