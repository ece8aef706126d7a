import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, launch, type Page } from 'puppeteer-core'
import { expect } from 'vitest'

/** Where a person can look at what the tests saw. */
const screenshots = join(tmpdir(), 'backups-pages')

/** How people look at a page. */
export const views = {
  'a desk': { width: 1280, height: 900, scheme: 'light' },
  'a phone in the dark': { width: 375, height: 740, scheme: 'dark' },
} as const
export type View = keyof typeof views
export const everyView = Object.keys(views) as View[]

/** Debian's Chromium. */
export async function startBrowser(): Promise<Browser> {
  await mkdir(screenshots, { recursive: true })
  // Root has no sandbox, and the pages are our own.
  return await launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
}

/** Opens a page as somebody opens the file. */
export async function open(browser: Browser, html: string, view: View): Promise<Page> {
  const { width, height, scheme } = views[view]
  const page = await browser.newPage()
  await page.setViewport({ width, height })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  const file = join(screenshots, 'page.html')
  await writeFile(file, html)
  await page.goto(`file://${file}`)
  return page
}

/** Takes a picture of a page, and expects that everybody can read it: nothing to scroll sideways, nothing that axe-core finds. */
export async function expectReadable(browser: Browser, html: string, view: View, name: string): Promise<void> {
  const page = await open(browser, html, view)
  const picture = `${name}, ${view}.png`.replaceAll(' ', '-').replaceAll(',', '')
  await page.screenshot({ path: join(screenshots, picture) as `${string}.png`, fullPage: true })
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(views[view].width)
  // Whoever hears it, or sees little, is told the same.
  await page.addScriptTag({ content: axe.source })
  const { violations } = (await page.evaluate('axe.run()')) as {
    violations: { id: string; nodes: { html: string }[] }[]
  }
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 200)).join('\n')}`)).toEqual(
    [],
  )
  await page.close()
}

/** Expects that a page runs no script and fetches nothing. */
export function expectSelfContained(html: string): void {
  expect(html).not.toMatch(/<script|<link|@import|url\((?!#)|src=/)
}
