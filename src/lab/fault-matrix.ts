import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What the tests of faults recorded: a line of JSON each, in `rows.jsonl` and `cells.jsonl`. */
interface Row {
  readonly fault: string
  readonly group: string
  /** Why a column has no cell. */
  readonly without: Readonly<Record<string, string>>
}
interface Cell {
  readonly fault: string
  readonly column: string
  /** Its code, `killed`, or `no run`. */
  readonly exit: number | string
  readonly alarm: string
  readonly restored: string
}

/** The columns, in their order, with their headings. */
const headings = { database: 'Database', media: 'Media', kit: 'Recovery kit', rancher: 'Rancher' } as const

const alarms: Readonly<Record<string, string>> = {
  fail: "the heartbeat's `fail`",
  silence: 'no heartbeat comes',
  job: "the AWX job's notification",
  success: 'none is needed',
}

/** The page of a run that filled the matrix, and the cells that it left empty. */
export interface FaultMatrix {
  readonly page: string
  readonly empty: readonly string[]
}

/** Make docs/FAULTS.md from what the tests recorded in a folder. */
export async function faultMatrix(folder: string): Promise<FaultMatrix> {
  const rows = unique(await linesOf<Row>(folder, 'rows.jsonl'), ({ fault }) => fault)
  const cells = await linesOf<Cell>(folder, 'cells.jsonl')
  const cellOf = ({ fault }: Row, column: string) => cells.find(cell => cell.fault === fault && cell.column === column)
  const columns = Object.keys(headings)
  const empty = rows.flatMap(row =>
    columns
      .filter(column => !cellOf(row, column) && row.without[column] === undefined)
      .map(column => `${row.fault}: ${column}`),
  )
  const groups = Map.groupBy(rows, ({ group }) => group)
  const text = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, faults]) => {
      const table = faults.map(row => {
        const shown = columns.map(column => {
          const cell = cellOf(row, column)
          return cell ? inWords(cell) : '–'
        })
        return `| ${row.fault} | ${shown.join(' | ')} |`
      })
      const notes = unique(
        faults.flatMap(row =>
          columns.flatMap(column => {
            const why = row.without[column]
            return why === undefined || cellOf(row, column)
              ? []
              : [`- ${headings[column as keyof typeof headings]}: ${why}.`]
          }),
        ),
        note => note,
      )
      const heading = `| Fault | ${Object.values(headings).join(' | ')} |`
      const rule = `| --- |${columns.map(() => ' --- |').join('')}`
      return [`## ${group}`, '', heading, rule, ...table, '', 'Cells without a test (–):', '', ...notes, ''].join('\n')
    })
  const proven = rows.reduce((sum, row) => sum + columns.filter(column => cellOf(row, column)).length, 0)
  return { page: `${preface(rows.length, proven)}\n${text.join('\n')}`, empty }
}

function inWords({ exit, alarm, restored }: Cell): string {
  if (restored === 'own') return 'succeeds'
  return `${typeof exit === 'number' ? `exit ${exit}` : exit}; ${alarms[alarm] ?? alarm}`
}

function preface(faults: number, cells: number): string {
  return `<!-- Made by \`npm test -- faults\` from what its tests saw. Changes here are lost. -->
# Faults

What happens to a backup under ${faults} faults, in ${cells} cells: a row a fault, a column a kind of system. Each cell is a test on real parts: PostgreSQL, Ceph's radosgw, a Docker host with a Rancher stand-in, and toxiproxy between agent and bucket. A test backs the system up, lets a run meet the fault, and asserts four facts:

1. The exit told the truth: the code and the message are those of the fault, and 0 means that the run made a good copy. [agent.md](agent.md) lists the exit codes.
2. An alarm went out: the run's heartbeat \`fail\`; or none came, and the dead-man's switch alarms when the grace of the schedule is over; or the job on AWX failed, which its notification tells.
3. The newest good copy is untouched and can be restored: it was restored after the fault, and compared with what the system held. An archive of Rancher's is compared with its receipt, and after all faults a second Rancher starts from the newest.
4. The service runs: the server answers, the files are what they were, Rancher is healthy.

"succeeds" is a run that the fault did not stop: its own copy was restored and compared. \`npm test -- faults\` fills the matrix again, and fails if a cell is empty or one of the facts does not hold; \`npm test\` tests each fault once, on the system that it hits most.
`
}

async function linesOf<T>(folder: string, name: string): Promise<T[]> {
  const text = await readFile(join(folder, name), 'utf8').catch(() => '')
  return text.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line) as T]))
}

function unique<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  return [...new Map(items.map(item => [keyOf(item), item])).values()]
}
