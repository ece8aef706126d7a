import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { readReceipts } from '../../../src/store/receipt.ts'
import { startAgent } from '../../support/agent.ts'
import type { TestBucket } from '../../support/bucket.ts'
import type { Alarm, Column, Facts } from '../matrix.ts'

/** A system with real parts of its own, for one cell. */
export interface Subject {
  readonly column: Column
  readonly system: string
  readonly bucket: TestBucket
  /** The environment of a backup, and its command. */
  readonly env: Record<string, string>
  readonly command: string
  /** Makes a copy. */
  backUp(): Promise<unknown>
  /** Changes the source, so that the next copy is another. */
  change(): Promise<void>
  /** What the source holds now; throws if the service does not answer. */
  content(): Promise<string>
  /** Restores the newest good copy of the bucket to another place. @returns what it holds */
  restored(): Promise<string>
}

/** A fault, and what the run that meets it has to do. */
export interface Injected {
  /** More variables of the run. */
  readonly env?: Record<string, string>
  /** Another command than the backup: `verify`. */
  readonly args?: readonly string[]
  /** A program that starts the agent, such as `faketime`. */
  readonly under?: readonly string[]
  /** While the run is under way. */
  during?(run: ReturnType<typeof startAgent>): Promise<unknown>
  /** Ends the fault: before what is there is looked at. */
  end?(): Promise<unknown>
  /** undefined: it is killed. */
  readonly exit: number | undefined
  readonly alarm: Alarm
  /** What its log has to say. */
  readonly says: RegExp
  /** What the newest good copy holds, if the fault made another one. */
  readonly holds?: string
  /** Whether the newest of the two copies of before is no longer good. */
  readonly newestLost?: boolean
  /** The state that the run's copy holds is anything between the old and the new one. */
  readonly changing?: boolean
}

/** A dead-man's switch: what it was told, in order. */
async function deadMansSwitch(): Promise<{ url: string; told: string[] }> {
  const told: string[] = []
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      told.push(request.url === '/check' ? 'success' : (request.url ?? '').replace('/check/', ''))
      response.end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/check`, told }
}

const expectedTold: Readonly<Record<Alarm, readonly string[]>> = {
  fail: ['start', 'fail'],
  silence: ['start'],
  job: [],
  success: ['start', 'success'],
}

/** What a run that met a fault leaves. */
export interface Met {
  readonly injected: Injected
  /** Whether it made a good copy. */
  readonly succeeded: boolean
  /** What the system holds after it. */
  readonly serving: string
}

/**
 * Have a run meet a fault, and assert that its exit tells the truth, that an alarm went out, that there is a new receipt
 * if and only if it succeeded, and that the service runs.
 */
export async function meet(subject: Subject, inject: (subject: Subject) => Promise<Injected>): Promise<Met> {
  const heartbeats = await deadMansSwitch()
  await subject.change()
  const injected = await inject(subject)
  const receiptsBefore = await receiptsOf(subject)

  const env = { ...subject.env, BACKUP_HEARTBEAT_URL: heartbeats.url, ...injected.env }
  const run = startAgent(env, [...(injected.args ?? [subject.command])], undefined, injected.under)
  await injected.during?.(run)
  const ended = await run
  await injected.end?.()

  expect(ended.exitCode, ended.stderr).toBe(injected.exit)
  expect(ended.stderr).toMatch(injected.says)
  if (injected.exit === 0) expect(ended.stderr).toContain(`SUCCESS: ${injected.args?.[0] ?? subject.command}`)
  else if (injected.exit !== undefined) expect(ended.stderr).toContain(`FAILURE (${injected.exit}): `)
  else expect(ended.signal).toBe('SIGKILL')

  expect(heartbeats.told).toEqual(expectedTold[injected.alarm])

  const succeeded = injected.exit === 0 && !injected.args
  const receiptsNow = await receiptsOf(subject)
  const added = receiptsNow.filter(key => !receiptsBefore.includes(key))
  if (succeeded) expect(added).not.toEqual([])
  else if (!injected.args) expect(added).toEqual([])
  return { injected, succeeded, serving: await subject.content() }
}

/** Make a copy of the system. @returns what it holds */
export async function goodCopy(subject: Subject): Promise<string> {
  await subject.change()
  await subject.backUp()
  // Copies of databases and kits are named to the second.
  await sleep(1001)
  return await subject.content()
}

/** Back a system up twice, have a run meet the fault, and assert the four facts. */
export async function survive(subject: Subject, inject: (subject: Subject) => Promise<Injected>): Promise<Facts> {
  const [older, newer] = [await goodCopy(subject), await goodCopy(subject)]
  const { injected, succeeded, serving } = await meet(subject, inject)
  const restored = await subject.restored()
  if (!succeeded) expect(restored).toBe(injected.holds ?? (injected.newestLost ? older : newer))
  else if (!injected.changing) expect(restored).toBe(serving)
  return { exit: injected.exit ?? 'killed', alarm: injected.alarm, restored: succeeded ? 'own' : 'before' }
}

async function receiptsOf({ bucket, system }: Subject): Promise<string[]> {
  const { receipts } = await readReceipts(bucket.store, { bucket: bucket.bucket, system })
  return receipts.map(({ key }) => key)
}
