import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'

/** The columns of the matrix: the kinds of system. */
export const columns = ['database', 'media', 'kit', 'rancher'] as const
export type Column = (typeof columns)[number]

/** How an alarm goes out. */
export type Alarm =
  /** The run tells the dead-man's switch that it failed. */
  | 'fail'
  /** Nothing tells it that the run succeeded, so it alarms when the grace of the schedule is over. */
  | 'silence'
  /** The run is no backup (`verify`): its job on AWX fails, and AWX's notification tells that. */
  | 'job'
  /** None, because the run succeeds all the same: the switch gets the success. */
  | 'success'

/** What was seen in a cell. Each of the four facts was asserted before they are returned. */
export interface Facts {
  /** How the run ended: its exit code, or why it has none. */
  readonly exit: number | 'killed' | 'no run'
  readonly alarm: Alarm
  /** The copy that was restored and compared: the one from before the fault, or that of the run itself. */
  readonly restored: 'before' | 'own'
}

/** A row of the matrix. */
export interface Fault {
  readonly name: string
  readonly group: string
  /** Why a column has no cell; every other column must have one. */
  readonly without: Partial<Record<Column, string>>
  /** The system that it hits most, whose cell is among those of every `npm test`. */
  readonly most: Column
}

// Set by `npm test -- faults`. Without it, only the cells that faults hit most are proven, and nothing is recorded.
const folder = process.env.BACKUPS_TEST_FAULTS

const published = folder === undefined ? readFileSync(join(projectRoot, 'docs/FAULTS.md'), 'utf8') : ''

/** Prove one cell, if it is among those of this run. */
export function cell(fault: Fault, column: Column, prove: () => Promise<Facts>, timeout = 180_000): void {
  const { name, group, without } = fault
  record('rows.jsonl', { fault: name, group, without })
  if (folder === undefined && column !== fault.most) return
  test(
    `${name}: ${column}`,
    async () => {
      record('cells.jsonl', { fault: name, column, ...(await prove()) })
      if (folder === undefined) expect(published, 'run `npm test -- faults`, which writes it').toContain(`| ${name} |`)
    },
    timeout,
  )
}

function record(file: string, line: object): void {
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  appendFileSync(join(folder, file), `${JSON.stringify(line)}\n`)
}
