import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ansibleYaml } from '../ansible/yaml.ts'
import { kinds } from '../kinds/index.ts'
import { choicesOf, type JobOption, type OptionTable, variableOf } from '../kinds/options.ts'

/**
 * The role files that hold options of the kinds' tables: path below `roles/` → text. Only the regions between
 * `# BEGIN generated <role> …` and `# END generated <role> …` are made; the rest of each file is written by hand.
 *
 * @param folder the project's `roles/`
 * @throws Error if two kinds define an option of one role differently
 */
export async function roleOptionFiles(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  const tables = mergedTables()
  for (const role of new Set(tables.map(table => table.role))) {
    const own = tables.filter(table => table.role === role)
    for (const path of ['defaults/main.yml', 'meta/argument_specs.yml', 'vars/main.yml']) {
      let text = await readFile(join(folder, role, path), 'utf8')
      text = filled(
        text,
        `${role} defaults`,
        everyOption(own).flatMap(([table, option]) => defaults(table, option)),
      )
      text = filled(
        text,
        `${role} values`,
        everyOption(own).flatMap(([table, option]) => value(table, option)),
      )
      for (const table of own) {
        const specs = table.options.flatMap(option => specification(table, option))
        text = filled(text, `${role} ${table.entryPoint} specs`, specs)
      }
      files.set(`${role}/${path}`, text)
    }
  }
  return files
}

/** One table for each entry point: the options of all kinds, and of a choice the values of all of them. */
export function mergedTables(): OptionTable[] {
  const merged = new Map<string, Map<string, JobOption>>()
  const tables = Object.values(kinds).flatMap(kind => kind.options)
  for (const { role, entryPoint, options } of tables) {
    const key = `${role} ${entryPoint}`
    const known = merged.get(key) ?? new Map<string, JobOption>()
    merged.set(key, known)
    for (const option of options) {
      const before = known.get(option.name)
      if (before && !sameUse(before, option)) {
        throw new Error(
          `two kinds define ${role}_${option.name} differently: give one of them another name, or the same type, default and variable`,
        )
      }
      const choices = [...new Set([...(before?.choices ?? []), ...(option.choices ?? [])])]
      known.set(option.name, { ...option, ...before, ...(choices.length > 0 && { choices }) })
    }
  }
  return [...merged].map(([key, options]) => {
    const [role, entryPoint] = key.split(' ') as [OptionTable['role'], OptionTable['entryPoint']]
    return { role, entryPoint, options: [...options.values()] }
  })
}

function sameUse(one: JobOption, other: JobOption): boolean {
  return one.type === other.type && one.default === other.default && one.environment === other.environment
}

function everyOption(tables: readonly OptionTable[]): [OptionTable, JobOption][] {
  return tables.flatMap(table => table.options.map((option): [OptionTable, JobOption] => [table, option]))
}

function filled(text: string, name: string, lines: readonly string[]): string {
  const region = new RegExp(`^( *)# BEGIN generated ${name}\\n[^]*?^ *# END generated ${name}\\n`, 'm')
  return text.replace(region, (_, indent: string) =>
    [`# BEGIN generated ${name}`, ...lines, `# END generated ${name}`, '']
      .map(line => (line === '' ? '' : indent + line))
      .join('\n'),
  )
}

function defaults(table: OptionTable, option: JobOption): string[] {
  return [`# ${option.help}.`, ...yaml({ [variableOf(table, option.name)]: typed(option) })]
}

function specification(table: OptionTable, option: JobOption): string[] {
  const types = { text: 'str', list: 'str', choice: 'str', boolean: 'bool', integer: 'int' }
  const spec = {
    type: types[option.type],
    ...(option.type === 'choice' && { choices: choicesOf(option) }),
    default: typed(option),
    description: `${option.help}.`,
  }
  return [
    `${variableOf(table, option.name)}:`,
    ...Object.entries(spec)
      .flatMap(([key, each]) => yaml({ [key]: each }))
      .map(line => `  ${line}`),
  ]
}

function value(table: OptionTable, option: JobOption): string[] {
  if (option.environment === undefined) return []
  const variable = variableOf(table, option.name)
  const forms = {
    text: variable,
    choice: variable,
    // YAML reads the escape, so that Jinja gets the line break itself.
    list: `${variable}.split(';') | map('trim') | select | join('\\n')`,
    boolean: `${variable} | bool | ternary('yes', 'no')`,
    integer: `${variable} | string`,
  }
  return [`${option.environment}: "{{ ${forms[option.type]} }}"`]
}

function typed({ type, default: value }: JobOption): string | boolean | number {
  if (type === 'boolean') return value === 'yes'
  return type === 'integer' ? Number(value) : value
}

const yaml = (value: unknown) => ansibleYaml(value).trimEnd().split('\n')
