import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { faultMatrix } from '../../../src/lab/fault-matrix.ts'

async function recorded(rows: readonly object[], cells: readonly object[]) {
  const folder = await mkdtemp(join(tmpdir(), 'backups-test-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const lines = (items: readonly object[]) => items.map(item => `${JSON.stringify(item)}\n`).join('')
  await writeFile(join(folder, 'rows.jsonl'), lines(rows))
  await writeFile(join(folder, 'cells.jsonl'), lines(cells))
  return await faultMatrix(folder)
}

const without = { media: 'media are no dump', kit: 'a kit is no dump', rancher: 'it is no dump' }
const row = { fault: 'pg_dump is killed', group: 'The dump', without }
const cell = { fault: 'pg_dump is killed', column: 'database', exit: 4, alarm: 'fail', restored: 'before' }

it('shows what each cell ended in, and why there is none', async () => {
  // Each test of a row records it.
  const { page, empty } = await recorded([row, row], [cell])
  expect(empty).toEqual([])
  expect(page).toContain("| pg_dump is killed | exit 4; the heartbeat's `fail` | – | – | – |")
  expect(page).toContain('under 1 faults, in 1 cells')
  expect(page).toContain('- Media: media are no dump.')
})

it('names a cell that has neither a test nor a reason', async () => {
  const { empty } = await recorded([row, { ...row, fault: 'a disk breaks', without: {} }], [cell])
  expect(empty).toEqual(['database', 'media', 'kit', 'rancher'].map(column => `a disk breaks: ${column}`))
})
