/** Facts about a copied thing, by name; a fact is plain data or more facts, so that any two can be compared. */
export type Facts = { [name: string]: Fact }
export type Fact = string | number | boolean | null | Facts

/**
 * Names, in words, where `copy` is not what `original` is; empty when they are the same.
 * `name` says what is compared and begins each line. At most `limit` lines, then one that counts the rest.
 */
export function differences(name: string, original: Facts, copy: Facts, limit = 5): string[] {
  const found = [...compare(name, original, copy)]
  if (found.length <= limit) return found
  return [...found.slice(0, limit), `and ${found.length - limit} more differences in ${name}`]
}

function* compare(name: string, original: Facts, copy: Facts): Generator<string> {
  for (const key of [...new Set([...Object.keys(original), ...Object.keys(copy)])].sort()) {
    const place = `${name}, ${key}`
    const [before, after] = [own(original, key), own(copy, key)]
    if (after === undefined) yield `${place}: missing in the copy`
    else if (before === undefined) yield `${place}: only in the copy`
    else if (isFacts(before) && isFacts(after)) yield* compare(place, before, after)
    else if (before !== after) yield `${place}: ${inWords(before)} in the original, ${inWords(after)} in the copy`
  }
}

/** An own property's value: a file may well be called `constructor`. */
function own(facts: Facts, key: string): Fact | undefined {
  return Object.hasOwn(facts, key) ? facts[key] : undefined
}

function isFacts(fact: Fact): fact is Facts {
  return typeof fact === 'object' && fact !== null
}

function inWords(fact: Fact): string {
  const text = JSON.stringify(fact)
  return text.length > 120 ? `${text.slice(0, 120)}… (${text.length} characters)` : text
}
