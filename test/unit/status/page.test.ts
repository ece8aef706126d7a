import { expect, test } from 'vitest'
import type { System } from '../../../src/kinds/index.ts'
import { pageWith, runsOf, systemNamed, systemWith } from '../../support/page.ts'

const night = new Date('2026-11-25T03:30:00Z')

test('of many systems each has a row and a place to link to, and 50 have charts, those with findings first', async () => {
  const systems = Array.from({ length: 60 }, (_, index) => {
    const system = { ...systemNamed('infra-db-production'), name: `system-${index}` } as System
    // The last one has had no copy for days.
    const last = index === 59 ? new Date('2026-11-20T03:30:00Z') : night
    const drill = runsOf(7, 7, new Date('2026-11-22T05:30:00Z'))
    return systemWith({ ...system, keep: 3 } as System, runsOf(40, 1, last), drill)
  })
  const html = await pageWith(systems)
  const articles = html.split('<article ').slice(1)
  const drawn = articles.map(article => article.includes('<svg'))
  expect(articles).toHaveLength(60)
  expect(html.match(/<tr role="row" class/g)).toHaveLength(60)
  expect(drawn.filter(Boolean)).toHaveLength(50)
  expect([drawn[0], drawn[49], drawn[59]]).toEqual([true, false, true])
})
