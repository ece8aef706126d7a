import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StoreClock } from '../../../src/store/clock.ts'

const NOW = Date.parse('2026-11-25T12:00:00.700Z')
const SECOND = 1_000
const DAY = 86_400 * SECOND

beforeEach(() => vi.useFakeTimers({ now: NOW }))
afterEach(() => vi.useRealTimers())

const header = (ms: number) => new Date(ms).toUTCString()

test('a store whose clock is this machine’s is not ahead, however long its answers take to be read', () => {
  const clock = new StoreClock()
  for (const waited of [0, 0.2, 5, 300]) {
    clock.observe(header(NOW - waited * SECOND), NOW - waited * SECOND)
    expect(clock.aheadMs, `${waited} s`).toBe(0)
  }
})

test.each([400 * DAY, -400 * DAY, 10 * SECOND, -10 * SECOND])('a difference of %i ms is found, to a second', ms => {
  const clock = new StoreClock()
  clock.observe(header(NOW + ms), NOW)
  expect(Math.abs(clock.aheadMs - ms)).toBeLessThanOrEqual(SECOND)
  const first = clock.aheadMs
  vi.advanceTimersByTime(300)
  clock.observe(header(NOW + 300 + ms), NOW + 250)
  expect(clock.aheadMs).toBe(first)
})

test('a clock that is set during a run is followed', () => {
  const clock = new StoreClock()
  clock.observe(header(NOW), NOW)
  clock.observe(header(NOW + DAY), NOW)
  expect(Math.abs(clock.aheadMs - DAY)).toBeLessThanOrEqual(SECOND)
})

test('an answer without a date is ignored', () => {
  const clock = new StoreClock()
  clock.observe(undefined, NOW)
  expect(clock.isKnown).toBe(false)
})
