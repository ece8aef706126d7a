/** A place in a config as people read it: `systems[3] (production-stack-db).schedule.minute`. */
export function placeIn(config: unknown, path: readonly (string | number)[]): string {
  let value = config
  let text = ''
  for (const [depth, step] of path.entries()) {
    value = (value as Record<string | number, unknown> | undefined)?.[step]
    text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${step}`
    if (depth === 1 && path[0] === 'systems') {
      const name = (value as { name?: unknown } | undefined)?.name
      if (typeof name === 'string') text += ` (${name})`
    }
  }
  return text
}
