import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { liveLines } from '../../../tools/live.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

async function screen(isTTY: boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'backups-live-'))
  vi.stubEnv('XDG_CACHE_HOME', folder)
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await rm(folder, { recursive: true })
  })
  let text = ''
  const write = (more: string) => {
    text += more
    return true
  }
  const out = { isTTY, write }
  return { text: () => text, start: () => liveLines('test', () => 'lab ', out as never) }
}

test('in a terminal the last line says how long it has been, and after a first run how far it is', async () => {
  const { start, text } = await screen(true)
  const first = await start()
  first.log('one')
  vi.advanceTimersByTime(1200)
  expect(text()).toContain('\r\u001b[Klab one (1 s)')
  first.log('two')
  vi.advanceTimersByTime(2500)
  await first.succeeded()
  first.end()

  const second = await start()
  second.log('one')
  vi.advanceTimersByTime(1200)
  second.end()
  expect(text().split('\r\u001b[K').at(-2)).toMatch(/^lab one \(1 s, 27 %, about 3 s left\)$/)
})

test('elsewhere it prints plain lines', async () => {
  const { start, text } = await screen(false)
  const lines = await start()
  lines.log('one')
  vi.advanceTimersByTime(1200)
  lines.log('two')
  lines.end()
  expect(text()).toBe('lab one\nlab two\n')
})
