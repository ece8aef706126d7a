/**
 * The line of the generated variables of the host `awx` on which an object of the definitions has its name, counted
 * from 1; that of its list if the object has none.
 *
 * @param path as the rules name it: `controller_templates (Back up: x).timeout`
 */
export function definitionLine(text: string, path: string): number | undefined {
  const [, list, name = ''] = /^(\w+)(?: \((.*?)\)(?:\.|$| ))?/.exec(path) ?? []
  const lines = text.split('\n')
  const start = lines.indexOf(`${list}:`)
  if (start < 0) return undefined
  const length = lines.slice(start + 1).findIndex(line => /^\S/.test(line))
  const within = lines.slice(start, length < 0 ? undefined : start + 1 + length)
  const spelled = [name, `'${name.replaceAll("'", "''")}'`, JSON.stringify(name)].map(value => `name: ${value}`)
  const found = within.findIndex(line => spelled.includes(line.replace(/^[- ]+/, '')))
  return start + 1 + Math.max(found, 0)
}
