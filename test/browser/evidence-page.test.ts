import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Evidence, monthOf, systemEvidence } from '../../src/evidence/evidence.ts'
import { evidencePage } from '../../src/evidence/page.ts'
import type { System } from '../../src/kinds/index.ts'
import type { StoredReceipt } from '../../src/store/receipt.ts'
import { everyView, expectReadable, expectSelfContained, open, startBrowser } from '../support/browser.ts'
import { hostile, runsOf, systemNamed } from '../support/page.ts'
import { at, receiptsOf } from '../support/receipts.ts'

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser?.close())

const month = '2026-10'
const now = at('2026-11-03T09:00:00Z')
const database = systemNamed('infra-db-production')

/** The month of a system with a copy a night and a drill a week, without the copies of some nights. */
function monthOfSystem(system: System, without: readonly number[] = []) {
  const place = {
    system: system.name,
    bucket: system.bucket,
    kind: system.kind,
    keyOf: (taken: Date) => `hourly/backup-${taken.toISOString().slice(0, 19)}Z-dumpall.sql.gz`,
  }
  const runs = runsOf(45, 1, at('2026-11-02T03:07:00Z'), () => ({ counts: { databases: 3, rows: 418_524 } }))
  const drills = receiptsOf({ ...place, system: `drill.${system.name}`, kind: 'drill' }, runsOf(45, 7, now)).map(
    stored => ({ ...stored, receipt: { ...stored.receipt, details: { seconds: 61 } } }) as StoredReceipt,
  )
  const receipts = receiptsOf(
    place,
    runs.filter((_, index) => !without.includes(index)),
  )
  return systemEvidence(system, receipts, drills, monthOf(month), now)
}

const unread = {
  ...monthOfSystem(systemNamed('kit-awx')),
  copies: [],
  proofs: [],
  findings: [],
  unread: 'connect ECONNREFUSED 192.0.2.1:443',
}
const evidence = (...systems: Evidence['systems'][number][]): Evidence => ({
  organisation: 'Fragalysis',
  month,
  madeAt: now.toISOString(),
  systems,
})
const pages = {
  'no system': () => evidence(),
  'a month with findings': () => evidence(monthOfSystem(database), monthOfSystem(hostile, [20, 21, 22]), unread),
}

describe.each(Object.keys(pages) as (keyof typeof pages)[])('the evidence of %s', name => {
  it.each(everyView)('on %s', async view => {
    await expectReadable(browser, evidencePage(pages[name]()), view, `evidence, ${name}`)
  })
})

it('needs no script, and text of the config is text', async () => {
  const html = evidencePage(pages['a month with findings']())
  expectSelfContained(html.replaceAll('&lt;script', ''))
  const page = await open(browser, html, 'a desk')
  expect(await page.title()).toBe(`Backups of Fragalysis in ${month}`)
  expect(await page.$$eval('section > p', all => all.map(({ textContent }) => textContent))).toContain(
    hostile.description,
  )
})
