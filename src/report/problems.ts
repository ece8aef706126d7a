import { createColors } from 'picocolors'
import type { Problem } from './problem.ts'

export const formats = ['text', 'json', 'github'] as const
export type Format = (typeof formats)[number]

/** Problems as text for people, as JSON, or as annotations of a GitHub workflow. */
export function reportProblems(problems: readonly Problem[], format: Format, colour: boolean): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(problems, null, 2)}\n`
    case 'github':
      return problems.map(annotation).join('')
    case 'text':
      return problems.map(problem => line(problem, colour)).join('')
  }
}

function line({ ruleId, severity, location, message, suggest }: Problem, colour: boolean): string {
  const { red, yellow, dim, bold } = createColors(colour)
  const mark = severity === 'error' ? red('error') : yellow('warning')
  const path = location.path ? `: ${bold(location.path)}` : ''
  return `${mark} ${location.file}${path}: ${message} → ${suggest} ${dim(`[${ruleId}]`)}\n`
}

/** GitHub's workflow commands need these escaped: %, line ends, and in properties colon and comma too. */
function annotation({ ruleId, severity, location, message, suggest }: Problem): string {
  const data = (text: string) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  const property = (text: string) => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
  const path = location.path ? `${location.path}: ` : ''
  const line = location.line === undefined ? '' : `,line=${location.line}`
  return `::${severity} file=${property(location.file)}${line},title=${property(ruleId)}::${data(`${path}${message} → ${suggest}`)}\n`
}
