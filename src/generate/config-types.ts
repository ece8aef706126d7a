import { configSchema } from '../config/schema.ts'
import { kinds } from '../kinds/index.ts'
import type { Schema } from './schema.ts'

// The names that one part of a config defines and others refer to: an editor offers those that are there.
const defined: Readonly<Record<string, string>> = { '.clusters[].name': 'Cluster', '.otherStores[].name': 'Store' }
const referring: Readonly<Record<string, string>> = { cluster: 'NoInfer<Cluster>', 'second.store': 'NoInfer<Store>' }

/** The text of `src/config/config-types.ts`: the types of a config as it is written, with what each field means. */
export function configTypes(): string {
  const systems = Object.entries(kinds).map(([kind, { schema }]) => {
    const type = typeOf(schema as Schema, kind)
    const names = Object.values(defined).filter(name => type.includes(`<${name}>`))
    return { kind, name: `${kind.charAt(0).toUpperCase()}${kind.slice(1)}System`, names, type }
  })
  const union = systems.map(({ name, names }) => `${name}<${names.join(', ')}>`).join(' | ')
  const text = [
    '// Made from the schemas in src/config/schema.ts and src/kinds/ by `npm run generate`. Changes here are lost.\n',
    '/** The value that `defineConfig` takes. `Cluster`, `Store`: the names in `clusters` and `otherStores`. */',
    `export interface WrittenConfig${parameters(Object.values(defined))} ${typeOf(configSchema as unknown as Schema, '', `(${union})[]`)}\n`,
    ...systems.flatMap(({ kind, name, names, type }) => [
      `/** A system of kind \`${kind}\`. */`,
      `export interface ${name}${parameters(names)} ${type}\n`,
    ]),
  ].join('\n')
  return indented(text)
}

const parameters = (names: readonly string[]) => `<${names.map(name => `${name} extends string`).join(', ')}>`

/** Code whose lines stand as deep as their braces. */
function indented(code: string): string {
  let depth = 0
  return code
    .split('\n')
    .map(line => {
      if (line.startsWith('/')) return '  '.repeat(depth) + line
      const opens = line.split('{').length - 1
      const closes = line.split('}').length - 1
      const at = line.startsWith('}') ? depth - 1 : depth
      depth += opens - closes
      return line === '' ? '' : '  '.repeat(at) + line
    })
    .join('\n')
}

/** A schema as a type; `place` is where it stands in the config. */
function typeOf(schema: Schema, place: string, systems = ''): string {
  if (defined[place]) return defined[place]
  if (place === '.systems') return systems
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map(choice => JSON.stringify(choice)).join(' | ')
  if (schema.anyOf) return union(schema.anyOf, place)
  if (schema.type === 'array') {
    const item = typeOf(schema.items ?? {}, `${place}[]`)
    return /[ |{]/.test(item) ? `(${item})[]` : `${item}[]`
  }
  if (schema.properties) return `{\n${fields(schema, place, systems).join('')}}`
  // Any names, with values of one type.
  const [values] = Object.values(schema.patternProperties ?? {})
  if (values) return `Record<string, ${typeOf(values, `${place}{}`)}>`
  return schema.type === 'integer' ? 'number' : (schema.type ?? 'unknown')
}

function fields({ properties = {}, required = [] }: Schema, place: string, systems = ''): string[] {
  return Object.entries(properties).map(([key, schema]) => {
    const inner = `${place}.${key}`
    const referred = Object.keys(referring).find(name => inner.endsWith(`.${name}`))
    const type = referred ? referring[referred] : typeOf(schema, inner, systems)
    const comment = schema.description ? `/** ${schema.description.replaceAll('*/', '*\\/')} */\n` : ''
    return `${comment}${key}${required.includes(key) ? '' : '?'}: ${type}\n`
  })
}

/** One of several forms. Without a key that tells them apart, none may have the keys of another. */
function union(forms: readonly Schema[], place: string): string {
  const keysOf = (form: Schema) => Object.keys(form.properties ?? {})
  const discriminated = forms.every(form =>
    Object.values(form.properties ?? {}).some(({ const: tag }) => tag !== undefined),
  )
  return forms
    .map(form => {
      if (!form.properties || discriminated) return typeOf(form, place)
      const foreign = forms.flatMap(keysOf).filter(key => !keysOf(form).includes(key))
      return `{\n${fields(form, place).join('')}${foreign.map(key => `${key}?: never\n`).join('')}}`
    })
    .join(' | ')
}
