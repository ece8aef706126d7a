import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load, YAML11_SCHEMA } from 'js-yaml'

/** What a role's page reads of `meta/argument_specs.yml`. */
interface EntryPoint {
  readonly short_description: string
  readonly description?: string | readonly string[]
  readonly options?: Readonly<Record<string, Option>>
}

interface Option {
  readonly type?: string
  readonly elements?: string
  readonly required?: boolean
  readonly default?: unknown
  readonly choices?: readonly unknown[]
  readonly description?: string | readonly string[]
  readonly options?: Readonly<Record<string, Option>>
}

/**
 * The README of every role: path below `roles/` → text, made from its `meta/argument_specs.yml`.
 *
 * @param folder the project's `roles/`
 * @param changed files that are about to be written there, path → text
 */
export async function roleReadmes(
  folder: string,
  changed: ReadonlyMap<string, string> = new Map(),
): Promise<Map<string, string>> {
  const pages = new Map<string, string>()
  for (const role of (await readdir(folder)).sort()) {
    const path = `${role}/meta/argument_specs.yml`
    const text = changed.get(path) ?? (await readFile(join(folder, path), 'utf8').catch(() => undefined))
    if (text === undefined) continue
    // Ansible reads YAML 1.1, where `yes` is true and `<<` merges.
    const { argument_specs } = load(text, { schema: YAML11_SCHEMA }) as { argument_specs: Record<string, EntryPoint> }
    pages.set(`${role}/README.md`, page(role, argument_specs))
  }
  return pages
}

function page(role: string, entryPoints: Readonly<Record<string, EntryPoint>>): string {
  const shared = entryPoints.main?.options ?? {}
  const sections = Object.entries(entryPoints).flatMap(([name, { short_description, description, options = {} }]) => {
    // YAML's anchors and merges make an option that is taken over from `main` the same object.
    const own = Object.entries(options).filter(([key, option]) => name === 'main' || shared[key] !== option)
    const takesShared = own.length < Object.keys(options).length
    return [
      ...(name === 'main' ? [] : [`## Entry point \`${name}\``]),
      `${short_description}.`,
      ...paragraphs(description),
      ...(takesShared ? [`Takes variables of the entry point \`main\`${own.length > 0 ? ', and:' : '.'}`] : []),
      ...(own.length > 0
        ? [['| variable | type | default | |', '|---|---|---|---|', ...rows(own, '')].join('\n')]
        : []),
    ]
  })
  const mark = '<!-- Made from meta/argument_specs.yml by `npm run generate`. Changes here are lost. -->'
  return `${[`${mark}\n# ${role}`, ...sections].join('\n\n')}\n`
}

/** A row for each option; the options inside it follow, with a dot, and `[]` for those of a list's elements. */
function rows(options: readonly (readonly [string, Option])[], prefix: string): string[] {
  return options.flatMap(([name, option]) => {
    const { type = 'str', elements, required, choices, options: inner = {} } = option
    const kind = elements ? `list of ${elements}` : type
    const fallback = required ? 'required' : 'default' in option ? `\`${JSON.stringify(option.default)}\`` : ''
    const meaning = [...paragraphs(option.description), ...(choices ? [`One of ${choices.join(', ')}.`] : [])]
    const cells = [`\`${prefix}${name}\``, kind, fallback, meaning.join(' ')].map(cell => cell.replaceAll('|', '\\|'))
    const below = rows(Object.entries(inner), `${prefix}${name}${type === 'list' ? '[]' : ''}.`)
    return [`| ${cells.join(' | ')} |`, ...below]
  })
}

/** Texts in Ansible's markup (`C(code)`, `O(option)`, `V(value)`, …) as sentences of Markdown. */
function paragraphs(description: string | readonly string[] = []): string[] {
  return [description].flat().map(text => {
    const marked = text.trim().replaceAll(/\b[CEOV]\(([^()]*)\)/g, '`$1`')
    return /[.!?]$/.test(marked) ? marked : `${marked}.`
  })
}
