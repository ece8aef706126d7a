import { awxRules } from '../awx/rules/index.ts'
import { rules } from '../config/rules/index.ts'
import { configSchema } from '../config/schema.ts'
import { kinds } from '../kinds/index.ts'
import { choicesOf, type JobOption, type OptionTable, variableOf } from '../kinds/options.ts'
import { scheduleForms } from '../schedule/index.ts'
import type { Schema } from './schema.ts'

const made = (from: string) => `<!-- Made from ${from} by \`npm run generate\`. Changes here are lost. -->\n`

/** The generated pages: path below `docs/reference/` → text. */
export function referencePages(): Map<string, string> {
  return new Map([
    ['config.md', configPage()],
    ['rules.md', rulesPage()],
    ['options.md', optionsPage()],
  ])
}

function configPage(): string {
  const schedule = new Set(Object.values(scheduleForms) as object[])
  const sections = [
    made('the schemas in src/config/schema.ts and src/kinds/'),
    '# The config\n',
    '`backups.config.ts` exports one value, made with `defineConfig`. Every key that is not marked optional is required; unknown keys are refused.\n',
    table(configSchema as unknown as Schema, '', schedule),
    ...Object.entries(kinds).flatMap(([kind, { schema }]) => [
      `## A system of kind \`${kind}\`\n`,
      table(schema as Schema, '', schedule),
    ]),
    '## A schedule\n',
    'One form for both CronJobs and AWX; cron and rrule are generated from it.\n',
    ...Object.entries(scheduleForms).flatMap(([every, schema]) => [
      `### Every ${every}\n`,
      table(schema as Schema, '', schedule),
    ]),
  ]
  return sections.join('\n')
}

/** A table of an object's keys; keys of objects inside it follow theirs, with a dot. */
function table(schema: Schema, prefix: string, schedule: ReadonlySet<object>): string {
  return ['| key | value | meaning |', '|---|---|---|', ...rows(schema, prefix, schedule), ''].join('\n')
}

function rows(schema: Schema, prefix: string, schedule: ReadonlySet<object>): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const optional = schema.required?.includes(key) ? '' : ' (optional)'
    const row = `| \`${prefix}${key}\`${optional} | ${cell(valueText(value, schedule))} | ${cell(value.description ?? '')} |`
    const inner = value.type === 'array' ? value.items : value
    const mark = value.type === 'array' ? '[].' : '.'
    return [row, ...(inner?.properties ? rows(inner, `${prefix}${key}${mark}`, schedule) : [])]
  })
}

function valueText(value: Schema, schedule: ReadonlySet<object>): string {
  if (value.const !== undefined) return `\`'${String(value.const)}'\``
  if (value.enum) return value.enum.map(choice => `\`'${String(choice)}'\``).join(', ')
  if (value.anyOf) {
    if (value.anyOf.some(form => schedule.has(form) || form.properties?.every)) return '[a schedule](#a-schedule)'
    return value.anyOf.map(form => (form.properties ? shape(form) : valueText(form, schedule))).join(' or ')
  }
  if (value.type === 'array') {
    return value.items?.type ? `list of ${valueText(value.items, schedule)}` : 'list of systems, below'
  }
  if (value.type === 'object') return 'object'
  const limits = [
    value.minimum === undefined ? '' : `from ${value.minimum}`,
    value.maximum === undefined ? '' : `to ${value.maximum}`,
    value.pattern === undefined ? '' : `\`${value.pattern}\``,
  ].filter(limit => limit !== '')
  return [value.type ?? 'any', ...limits].join(', ')
}

/** `{ claim, size?, nfs: { server, path } }`. */
function shape({ properties = {}, required = [] }: Schema): string {
  const keys = Object.entries(properties).map(
    ([key, value]) =>
      `${key}${required.includes(key) ? '' : '?'}${value.properties ? `: ${shape(value).replaceAll('`', '')}` : ''}`,
  )
  return `\`{ ${keys.join(', ')} }\``
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

function optionsPage(): string {
  const sections = Object.entries(kinds).flatMap(([kind, { options }]) => {
    const tables = options as readonly OptionTable[]
    const rows = tables.flatMap(table => table.options.map(option => optionRow(table, option)))
    if (rows.length === 0) return []
    const header = ['| variable | job | question | values | default | what it does | variable of the agent |']
    return [`## Kind \`${kind}\`\n`, [...header, '|---|---|---|---|---|---|---|', ...new Set(rows), ''].join('\n')]
  })
  return [
    made('the option tables in src/kinds/'),
    '# The options of the jobs\n',
    'The options of each job. Set them in the survey on AWX, with `--answer <variable>=<value>` of `backups launch`, or as variables of the playbook.\n',
    ...sections,
  ].join('\n')
}

function optionRow(table: OptionTable, option: JobOption): string {
  const values = choicesOf(option).length > 0 ? choicesOf(option).join(', ') : option.type
  const cells = [
    `\`${variableOf(table, option.name)}\``,
    { main: 'backup', restore: 'restore', drill: 'drill', verify: 'verify' }[table.entryPoint],
    option.unasked ? '(not asked)' : option.question,
    values,
    option.default === '' ? '' : `\`${option.default}\``,
    option.help,
    option.environment ? `\`${option.environment}\`` : '',
  ]
  return `| ${cells.map(cell).join(' | ')} |`
}

function rulesPage(): string {
  const section = ({ id, description }: { id: string; description: string }) => [`### \`${id}\`\n`, `${description}\n`]
  return [
    made('the rules in src/config/rules/ and src/awx/rules/'),
    '# The rules\n',
    '`npm run validate` checks the config, and what is generated from it, by these rules. Each problem names its rule, its place, what is wrong, and what to write instead.\n',
    '## Of the config\n',
    '### `shape`\n',
    'A key is missing or unknown, or a value has the wrong type. [The config](config.md) lists all keys.\n',
    ...rules.flatMap(section),
    "## Of AWX's definitions\n",
    ...awxRules.flatMap(section),
  ].join('\n')
}
