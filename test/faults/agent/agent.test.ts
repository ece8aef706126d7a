import { beforeAll } from 'vitest'
import { requireTools } from '../../support/agent.ts'
import { ensureToxiproxy } from '../../support/toxiproxy.ts'
import { type Column, cell, columns } from '../matrix.ts'
import { sourceFaults } from './source.ts'
import { storeFaults } from './store.ts'
import { survive } from './subject.ts'
import { subjects } from './subjects.ts'

beforeAll(async () => {
  await requireTools({ faketime: 'faketime', age: 'age', openssl: 'openssl', go: 'golang' })
  await ensureToxiproxy()
}, 600_000)

const onThisMachine = columns.filter((column): column is Exclude<Column, 'rancher'> => column !== 'rancher')

for (const { fault, cells } of [...storeFaults, ...sourceFaults]) {
  for (const column of onThisMachine) {
    const inject = cells[column]
    if (inject) cell(fault, column, async () => survive(await subjects[column](), inject))
  }
}
