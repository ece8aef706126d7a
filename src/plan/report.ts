import { createColors } from 'picocolors'
import type { Comparison, Difference } from './difference.ts'

/** A comparison as people know plans, `+ ~ -`, or as JSON. */
export function reportPlan(comparison: Comparison, format: 'text' | 'json', colour: boolean): string {
  if (format === 'json') return `${JSON.stringify(comparison, null, 2)}\n`
  return comparison.differences.map(difference => text(difference, colour)).join('')
}

/** One line that says how many of each there are. */
export function summarise({ differences, compared, unreachable }: Comparison): string {
  const count = (sign: Difference['sign']) => differences.filter(difference => difference.sign === sign).length
  const parts = [
    `${compared} compared`,
    `${count('+')} missing`,
    `${count('~')} different`,
    `${count('-')} surplus`,
    ...(count('!') > 0 ? [`${count('!')} in the way`] : []),
    ...(unreachable.length > 0 ? [`${unreachable.length} not reached`] : []),
  ]
  return parts.join(', ')
}

function text({ sign, where, kind, name, fields, note }: Difference, colour: boolean): string {
  const { green, yellow, red, magenta, bold, dim } = createColors(colour)
  const paint = { '+': green, '~': yellow, '-': red, '!': magenta }[sign]
  const subject = kind.toLowerCase() === where.toLowerCase() ? kind : `${where} ${kind}`
  const lines = [`${paint(sign)} ${subject} ${bold(name)}${note ? dim(`: ${note}`) : ''}`]
  for (const { field, is, wanted } of fields) lines.push(`    ${field}: ${red(show(is))} → ${green(show(wanted))}`)
  return `${lines.join('\n')}\n`
}

function show(value: unknown): string {
  return value === undefined ? '(nothing)' : JSON.stringify(value)
}
