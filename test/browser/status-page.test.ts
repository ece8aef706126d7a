import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, launch, type Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { System } from '../../src/kinds/index.ts'
import { pageWith, runsOf, systemNamed, systemWith, unanswered } from '../support/page.ts'

// Where a person can look at what the tests saw.
const screenshots = join(tmpdir(), 'backups-status-page')

let browser: Browser
beforeAll(async () => {
  await mkdir(screenshots, { recursive: true })
  // Root has no sandbox, and the pages are our own.
  browser = await launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
})
afterAll(() => browser?.close())

const database = systemNamed('infra-db-production')
const hostile = {
  ...database,
  name: 'hostile',
  description: '<script>document.title = "run"</script> & "quotes"',
} as System
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
const views = {
  'a desk': { width: 1280, height: 900, scheme: 'light' },
  'a phone in the dark': { width: 375, height: 740, scheme: 'dark' },
} as const

async function open(html: string, { width, height, scheme }: (typeof views)[keyof typeof views]): Promise<Page> {
  const page = await browser.newPage()
  await page.setViewport({ width, height })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  // A document of its own, as somebody opens the file.
  const file = join(screenshots, 'page.html')
  await writeFile(file, html)
  await page.goto(`file://${file}`)
  return page
}

describe.each(Object.keys(pages))('the page with %s', name => {
  it.each(Object.keys(views) as (keyof typeof views)[])('on %s', async view => {
    const html = await (pages[name] as () => Promise<string>)()
    const page = await open(html, views[view])
    await page.screenshot({
      path: join(screenshots, `${name}, ${view}.png`.replaceAll(' ', '-').replaceAll(',', '')) as `${string}.png`,
      fullPage: true,
    })

    // Nothing is cut off or must be scrolled sideways.
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(views[view].width)
    // Whoever hears it, or sees little, is told the same.
    await page.addScriptTag({ content: axe.source })
    const { violations } = (await page.evaluate('axe.run()')) as {
      violations: { id: string; nodes: { html: string }[] }[]
    }
    expect(
      violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 200)).join('\n')}`),
    ).toEqual([])
    await page.close()
  })

  it('needs no script and nothing from elsewhere', async () => {
    const html = await (pages[name] as () => Promise<string>)()
    expect(html).not.toMatch(/<script|<link|@import|url\((?!#)|src=/)
    expect(await (await open(html, views['a desk'])).title()).toMatch(/^Backups of Fragalysis: /)
  })
})

it('text of the config is text', async () => {
  const page = await open(await (pages['one copy'] as () => Promise<string>)(), views['a desk'])
  expect(await page.$$eval('th small', all => all.map(({ textContent }) => textContent))).toContain(hostile.description)
})

it('every system is a row with its state, and its charts have the figures in words', async () => {
  const page = await open(await (pages['three years'] as () => Promise<string>)(), views['a desk'])
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
