/**
 * Of hosts whose variables differ in their texts and numbers alone, one; so that what is made from them by a template
 * can be checked without making it for each.
 *
 * @returns their names, in the order of `names`
 */
export function oneOfEachShape(
  hosts: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  names: readonly string[],
): string[] {
  const found = new Map<string, string>()
  for (const name of names) {
    const shape = JSON.stringify(shapeOf(hosts[name]))
    if (!found.has(shape)) found.set(shape, name)
  }
  return [...found.values()]
}

/** A value's shape: keys, the types of what they hold, switches, and of a list each shape once. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return [...new Set(value.map(inner => JSON.stringify(shapeOf(inner))))]
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .map(([key, inner]) => [key, shapeOf(inner)])
      .sort(([a], [b]) => String(a).localeCompare(String(b)))
  }
  return typeof value === 'boolean' ? value : value === '' ? '' : typeof value
}
