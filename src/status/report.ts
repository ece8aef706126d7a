import { createColors } from 'picocolors'
import { atMinute, inBytes, inPercent } from '../report/quantities.ts'
import { table } from '../report/table.ts'
import { duration, type Finding, findingPage } from '../store/assess.ts'
import { copiesText, type Row, type State } from './row.ts'
import type { Status } from './status.ts'

/** The table of every system and then the findings, worst first; or everything as JSON. */
export function reportStatus(status: Status, format: 'text' | 'json', colour: boolean): string {
  if (format === 'json') {
    const findings = status.findings.map(finding => ({ ...finding, page: findingPage(finding.id) }))
    return `${JSON.stringify({ ...status, findings }, null, 2)}\n`
  }
  const notes = status.rows.flatMap(({ system, note }) => (note ? [`  ${system}: ${note}\n`] : []))
  return [
    painted(
      table(
        header,
        status.rows.map(row => cells(row, status.at)),
      ),
      status.rows,
      colour,
    ),
    ...(notes.length > 0 ? ['\nNot known:\n', ...notes] : []),
    ...(status.findings.length > 0 ? ['\nFindings, worst first:\n'] : []),
    ...status.findings.map(finding => findingText(finding, status.at, colour)),
  ].join('')
}

/** A one-line summary. */
export function summariseStatus({ rows, findings, requests }: Status): string {
  const critical = findings.filter(({ severity }) => severity === 'critical').length
  const counts = [`${rows.length} systems`, `${critical} critical`, `${findings.length - critical} warnings`]
  return `${counts.join(', ')} (${requests} requests)`
}

const header = ['system', 'state', 'newest copy', 'copies', 'size', 'trend', 'run', 'outage', 'last drill', 'next run']

function cells(row: Row, now: Date): string[] {
  const { newest, copies, trend, drill } = row
  const ago = (at: Date) => duration(now.getTime() - at.getTime())
  return [
    row.system,
    row.state,
    newest ? `${ago(newest.taken)} of ${duration(newest.dueBy.getTime() - newest.taken.getTime())}` : '–',
    copiesText(copies, now),
    newest ? inBytes(newest.bytes) : '–',
    trend ? `${inPercent(trend.ratio)} in ${trend.days} d` : '–',
    row.runSeconds === undefined ? '–' : duration(row.runSeconds * 1000),
    row.outageSeconds === undefined ? '–' : duration(row.outageSeconds * 1000),
    drill
      ? `${ago(drill.end)} ago${drill.seconds === undefined ? '' : `, took ${duration(drill.seconds * 1000)}`}`
      : '–',
    atMinute(row.nextRun),
  ]
}

function painted(text: string, rows: readonly Row[], colour: boolean): string {
  const { green, yellow, red, cyan } = createColors(colour)
  const paint: Record<State, (text: string) => string> = {
    good: green,
    warning: yellow,
    critical: red,
    'no answer': red,
    unknown: cyan,
  }
  const lines = text.split('\n')
  const column = header[0] as string
  const width = Math.max(column.length, ...rows.map(({ system }) => system.length)) + 2
  return lines
    .map((line, index) => {
      const state = rows[index - 2]?.state
      if (!state) return line
      return line.slice(0, width) + paint[state](state) + line.slice(width + state.length)
    })
    .join('\n')
}

function findingText({ id, severity, system, message, since, next }: Finding, now: Date, colour: boolean): string {
  const { red, yellow, bold, dim } = createColors(colour)
  const mark = severity === 'critical' ? red('critical') : yellow('warning')
  const held = since ? `since ${atMinute(since)} (${duration(now.getTime() - since.getTime())})` : ''
  return `${mark} ${bold(system)}: ${message}\n  ${held ? `${held} ` : ''}→ ${next}\n  ${dim(`${findingPage(id)} [${id}]`)}\n`
}
