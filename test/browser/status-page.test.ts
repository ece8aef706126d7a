import type { Browser } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { everyView, expectReadable, expectSelfContained, open, startBrowser } from '../support/browser.ts'
import { hostile, pageWith, runsOf, systemNamed, systemWith, unanswered } from '../support/page.ts'

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
})
afterAll(() => browser?.close())

const database = systemNamed('infra-db-production')
const years = 3 * 365
const [night, friday, sunday] = ['2026-11-25T03:30:00Z', '2026-11-20T18:00:20Z', '2026-11-22T05:30:00Z'].map(
  text => new Date(text),
) as [Date, Date, Date]

const pages: Record<string, () => Promise<string>> = {
  'no system': () => pageWith([]),
  'no data': () => pageWith([systemWith(database, []), systemWith(systemNamed('production-stack-media'), [])]),
  'one copy': () => pageWith([systemWith(database, runsOf(1, 1, night)), systemWith(hostile, runsOf(1, 1, night))]),
  'three years': () =>
    pageWith([
      systemWith(
        systemNamed('rancher-server'),
        runsOf(years, 7, friday, index => ({ outage: 4 + (index % 5) })),
        runsOf(years, 7, sunday),
      ),
      systemWith(
        database,
        runsOf(years, 1, night).filter((_, index) => index % 97 !== 0),
        runsOf(years, 7, sunday),
      ),
      systemWith(
        systemNamed('production-stack-media'),
        runsOf(years, 1, night).slice(0, -3),
        runsOf(years, 30, sunday),
      ),
      unanswered(systemNamed('kit-awx')),
    ]),
}
describe.each(Object.keys(pages))('the page with %s', name => {
  it.each(everyView)('on %s', async view => {
    await expectReadable(browser, await (pages[name] as () => Promise<string>)(), view, `status, ${name}`)
  })

  it('needs no script and nothing from elsewhere', async () => {
    const html = await (pages[name] as () => Promise<string>)()
    expectSelfContained(html)
    expect(await (await open(browser, html, 'a desk')).title()).toMatch(/^Backups of Fragalysis: /)
  })
})

it('text of the config is text', async () => {
  const page = await open(browser, await (pages['one copy'] as () => Promise<string>)(), 'a desk')
  expect(await page.$$eval('th small', all => all.map(({ textContent }) => textContent))).toContain(hostile.description)
})

it('every system is a row with its state, and its charts have the figures in words', async () => {
  const page = await open(browser, await (pages['three years'] as () => Promise<string>)(), 'a desk')
  expect(await page.$$eval('tbody .badge', all => all.map(({ textContent }) => textContent))).toEqual([
    'good',
    'good',
    'critical',
    'no answer',
  ])
  expect(await page.$$eval('.findings .badge', all => all.map(({ textContent }) => textContent))).toEqual([
    'critical',
    'critical',
  ])
  const labels = await page.$$eval('article:first-of-type svg', all =>
    all.map(svg => svg.getAttribute('aria-label') ?? ''),
  )
  expect(labels).toEqual([
    expect.stringMatching(/^Size of the copy of rancher-server: now 4.8 GiB, least 2.8 GiB, most 4.8 GiB$/),
    expect.stringMatching(/^Duration of the run of rancher-server: now /),
    expect.stringMatching(/^Outage during the backup of rancher-server: now . s, least 4 s, most 8 s$/),
    expect.stringMatching(/^Time to recover, in drills of rancher-server: now /),
    expect.stringMatching(/^Calendar of the runs of rancher-server, the older half/),
    expect.stringMatching(
      /^Calendar of the runs of rancher-server: 52 days with a copy, 0 days without one that was due$/,
    ),
  ])
})
