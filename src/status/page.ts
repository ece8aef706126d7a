import { atMinute, inBytes, inPercent } from '../report/quantities.ts'
import type { Schedule } from '../schedule/index.ts'
import { duration, type Finding, findingKinds, findingPage } from '../store/assess.ts'
import { calendar, type Day, lineChart, type Point } from './charts.ts'
import { nextRuns } from './expect.ts'
import { htmlDocument, escapeHtml as text } from './html.ts'
import { copiesText, type Row } from './row.ts'

/** What the page shows of a system besides its row; oldest first. */
export interface PageSystem {
  readonly row: Row
  readonly schedule: Schedule
  readonly runs: readonly {
    readonly taken: Date
    readonly bytes: number
    readonly seconds: number
    readonly outage?: number
  }[]
  readonly drills: readonly { readonly end: Date; readonly seconds: number }[]
}

/** What the page shows. */
export interface PageInput {
  readonly organisation: string
  readonly at: Date
  readonly systems: readonly PageSystem[]
  readonly findings: readonly Finding[]
  /**
   * Base URL of the runbook's pages, to which `docs/FINDINGS.md#…` is appended; missing: they are named without a link.
   */
  readonly docs?: string
}

/** The status of every system as one HTML document without scripts or external resources. */
export function statusPage({ organisation, at, systems, findings, docs }: PageInput): string {
  const critical = findings.filter(({ severity }) => severity === 'critical').length
  const charted = chartedSystems(systems, findings)
  const verdict = findings.length === 0 ? 'no findings' : `${critical} critical, ${findings.length - critical} warnings`
  return htmlDocument(
    `Backups of ${text(organisation)}: ${verdict}`,
    style,
    `<header>
<h1>Backups of ${text(organisation)}</h1>
<p>${count(systems.length, 'system')}, ${verdict}. As of <time datetime="${at.toISOString()}">${atMinute(at)}</time>; all times are UTC.</p>
</header>
<main>
<section aria-labelledby="findings">
<h2 id="findings">Findings</h2>
${findings.length === 0 ? '<p class="good">Nothing is wrong with any copy.</p>' : `<ol class="findings">${findings.map(finding => findingItem(finding, at, docs)).join('\n')}</ol>`}
</section>
<section aria-labelledby="systems">
<h2 id="systems">Systems</h2>
${systems.length === 0 ? '<p>The config has no system.</p>' : table(systems, at)}
</section>
<section aria-labelledby="histories">
<h2 id="histories">Histories</h2>
${systems.map(system => history(system, at, charted.has(system.row.system))).join('\n')}
</section>
</main>`,
  )
}

// The charts of a system are 120 KB of the page; no browser shows those of hundreds at once.
const mostCharted = 50

/** The names of the systems whose histories are drawn: those with findings first. */
function chartedSystems(systems: readonly PageSystem[], findings: readonly Finding[]): ReadonlySet<string> {
  const wrong = new Set(findings.map(({ system }) => system))
  const names = systems.map(({ row }) => row.system)
  const order = [...names.filter(name => wrong.has(name)), ...names.filter(name => !wrong.has(name))]
  return new Set(order.slice(0, mostCharted))
}

function findingItem(
  { id, severity, system, message, since, next }: Finding,
  at: Date,
  docs: string | undefined,
): string {
  const page = findingPage(id)
  const held = since
    ? `<p>Since <time datetime="${since.toISOString()}">${atMinute(since)}</time> (${duration(at.getTime() - since.getTime())}).</p>`
    : ''
  const runbook = docs ? `<a href="${text(`${docs}${page}`)}">Runbook: ${text(id)}</a>` : `Runbook: ${text(page)}`
  return `<li class="${severity}"><h3><span class="badge">${severity}</span> <a href="#${anchor(system)}">${text(system)}</a>: ${text(findingKinds[id].title)}</h3>
<p>${text(message)}</p>${held}<p>To do: ${text(next)}. ${runbook}</p></li>`
}

const columns = ['System', 'State', 'Newest copy', 'Copies', 'Size', 'Run', 'Outage', 'Last drill', 'Next run'] as const

// The ARIA roles keep it a table when a narrow screen shows its rows as cards.
function table(systems: readonly PageSystem[], at: Date): string {
  const head = columns.map(name => `<th role="columnheader" scope="col">${name}</th>`).join('')
  return `<table role="table" aria-labelledby="systems"><thead role="rowgroup"><tr role="row">${head}</tr></thead>
<tbody role="rowgroup">${systems.map(({ row }) => tableRow(row, at)).join('\n')}</tbody></table>`
}

function tableRow(row: Row, at: Date): string {
  const { newest, trend, drill } = row
  const ago = (moment: Date) => duration(at.getTime() - moment.getTime())
  const cells = [
    `<span class="badge">${row.state}</span>`,
    newest
      ? `${ago(newest.taken)} old${newest.proven ? '' : ', unproven'}<small>next due by ${atMinute(newest.dueBy)}</small>`
      : '–',
    text(copiesText(row.copies, at)),
    newest
      ? `${inBytes(newest.bytes)}${trend ? `<small>${inPercent(trend.ratio)} in ${trend.days} d</small>` : ''}`
      : '–',
    row.runSeconds === undefined ? '–' : duration(row.runSeconds * 1000),
    row.outageSeconds === undefined ? '–' : duration(row.outageSeconds * 1000),
    drill
      ? `${ago(drill.end)} ago${drill.seconds === undefined ? '' : `<small>took ${duration(drill.seconds * 1000)}</small>`}`
      : '–',
    atMinute(row.nextRun),
  ]
  const name = `<th role="rowheader" scope="row"><a href="#${anchor(row.system)}">${text(row.system)}</a><small>${text(row.description)}</small></th>`
  const rest = cells.map((cell, index) => `<td role="cell" data-label="${columns[index + 1]}">${cell}</td>`).join('')
  return `<tr role="row" class="${row.state.replace(' ', '-')}">${name}${rest}</tr>`
}

function history({ row, schedule, runs, drills }: PageSystem, at: Date, charted: boolean): string {
  const name = text(row.system)
  const head = `<article id="${anchor(row.system)}" aria-labelledby="h-${anchor(row.system)}"><h3 id="h-${anchor(row.system)}">${name}</h3>`
  const note = row.note ? `<p>Not known: ${text(row.note)}.</p>` : ''
  const first = runs[0]
  if (!first) return `${head}${note}<p>No run has a receipt yet.</p></article>`
  if (!charted) {
    return `${head}${note}<p>Not drawn: the histories of ${mostCharted} systems are, of those with findings first.</p></article>`
  }
  const spans = (seconds: number) => duration(seconds * 1000)
  const outages = runs.flatMap(({ taken, outage }): Point[] => (outage === undefined ? [] : [[taken, outage]]))
  const figures = [
    figure(
      'Size of the copy',
      row.system,
      runs.map(({ taken, bytes }): Point => [taken, bytes]),
      inBytes,
    ),
    figure(
      'Duration of the run',
      row.system,
      runs.map(({ taken, seconds }): Point => [taken, seconds]),
      spans,
    ),
    ...(outages.length > 0 ? [figure('Outage during the backup', row.system, outages, spans)] : []),
    ...(drills.length > 0
      ? [
          figure(
            'Time to recover, in drills',
            row.system,
            drills.map(({ end, seconds }): Point => [end, seconds]),
            spans,
          ),
        ]
      : []),
  ]
  const period = `${count(runs.length, 'run')} since ${atMinute(first.taken)}, ${count(drills.length, 'drill')}.`
  return `${head}${note}<p>${period}</p><div class="charts">${figures.join('')}</div>${calendarFigure(row.system, schedule, runs, at)}</article>`
}

function figure(title: string, system: string, points: readonly Point[], inWords: (value: number) => string): string {
  const values = points.map(([, value]) => value)
  const [least, most] = [Math.min(...values), Math.max(...values)].map(inWords)
  const facts = `now ${inWords(values.at(-1) ?? 0)}, least ${least}, most ${most}`
  return `<figure>${lineChart(points, `${title} of ${system}: ${facts}`, inWords)}<figcaption>${title}: ${text(facts)}</figcaption></figure>`
}

const DAY_MS = 86_400_000
const CALENDAR_DAYS = 364
// How many days without a copy are listed.
const NAMED = 5

function calendarFigure(system: string, schedule: Schedule, runs: PageSystem['runs'], at: Date): string {
  const day = (moment: Date) => moment.toISOString().slice(0, 10)
  const from = new Date(at.getTime() - CALENDAR_DAYS * DAY_MS)
  const made = new Set(runs.filter(({ taken }) => taken >= from).map(({ taken }) => day(taken)))
  const start = new Date(Math.max(from.getTime(), runs[0]?.taken.getTime() ?? at.getTime()))
  const missing = dueDays(schedule, start, new Date(at.getTime() - DAY_MS)).filter(each => !made.has(each))
  const days = [...[...made].map((each): Day => [each, 'copy']), ...missing.map((each): Day => [each, 'missing'])]
  const named = missing.slice(-NAMED).join(', ')
  const facts = `${count(made.size, 'day')} with a copy, ${count(missing.length, 'day')} without one that was due${missing.length > NAMED ? `, the last ${named}` : missing.length > 0 ? `: ${named}` : ''}`
  const label = `Calendar of the runs of ${system}`
  // Two halves, side by side if there is room.
  const middle = new Date(from.getTime() + (CALENDAR_DAYS / 2) * DAY_MS)
  const older = calendar(
    days.filter(([each]) => each <= day(middle)),
    [day(from), day(middle)],
    `${label}, the older half of the year`,
  )
  const newer = calendar(
    days.filter(([each]) => each > day(middle)),
    [day(new Date(middle.getTime() + DAY_MS)), day(at)],
    `${label}: ${facts}`,
  )
  return `<figure><div class="charts">${older}${newer}</div><figcaption>Runs of the last year: ${facts}</figcaption></figure>`
}

/** The days, UTC, on which a copy was due. */
function dueDays(schedule: Schedule, from: Date, to: Date): string[] {
  const days = new Set<string>()
  // Hourly runs are due every day, so step by whole days.
  const step = (run: Date) => (schedule.every === 'hour' ? new Date(run.getTime() + DAY_MS) : run)
  for (let run = nextRuns(schedule, from, 1); run < to; run = step(nextRuns(schedule, run, 1))) {
    days.add(run.toISOString().slice(0, 10))
  }
  return [...days]
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function anchor(system: string): string {
  return `system-${text(system)}`
}

// Every pair of colours has a contrast of 4.5 or more in both schemes.
const style = `
:root{--ink:#1c2733;--paper:#fff;--faint:#55606b;--line:#c9d1d9;--link:#0a58a8;--good:#1a6b3a;--warning:#7a5200;--critical:#b3261e;--unknown:#0b5c7a}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#12181f;--faint:#a9b5c1;--line:#3a4651;--link:#7ab7f5;--good:#6fd08c;--warning:#f0b429;--critical:#ff8a80;--unknown:#6cc6e8}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:80rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;margin:0}h2{font-size:1.25rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
a{color:var(--link)}p{margin:.25rem 0}
small{display:block;color:var(--faint);font-size:.8rem;font-weight:400}
.findings{list-style:none;padding:0;margin:0}
.findings li{border-left:4px solid;padding:.5rem .75rem;margin:.5rem 0;overflow-wrap:anywhere}
.findings li.critical{border-color:var(--critical)}.findings li.warning{border-color:var(--warning)}
.badge{font-size:.8rem;font-weight:600;border:1px solid;border-radius:3px;padding:0 .35rem;white-space:nowrap}
.good .badge,p.good{color:var(--good)}.warning .badge{color:var(--warning)}.critical .badge,.no-answer .badge{color:var(--critical)}.unknown .badge{color:var(--unknown)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}
thead th{font-size:.85rem;color:var(--faint)}
article{border-top:1px solid var(--line);padding:1rem 0}
figure{margin:0}figcaption{font-size:.8rem;color:var(--faint)}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,19rem),1fr));gap:1rem;margin:.5rem 0}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--faint)}
svg>rect{fill:none}
@media(max-width:60rem){
thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
table,tbody,tr,th,td{display:block;width:100%}
tr{border-bottom:2px solid var(--line);padding:.5rem 0}
th,td{border:0;padding:.15rem 0}
td{display:grid;grid-template-columns:7.5rem 1fr}
td::before{content:attr(data-label);color:var(--faint)}
td small{grid-column:2}
td .badge{justify-self:start}
}`
