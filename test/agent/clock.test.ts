import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { beforeAll, expect, test } from 'vitest'
import { mediaReceipts } from '../../src/agent/media/receipt.ts'
import { readReceipts, writeReceipt } from '../../src/store/receipt.ts'
import { putVerified } from '../../src/store/upload.ts'
import { type AgentRun, folder, requireTools, runAgent, surroundings } from '../support/agent.ts'
import { freshBucket } from '../support/bucket.ts'
import { startServer } from '../support/postgres.ts'

beforeAll(() => requireTools({ faketime: 'faketime', pg_dump: 'postgresql-client' }))

const DAY_MS = 86_400_000

/** Run the agent under a clock that is wrong by so many days. */
async function runUnderClock(days: number, env: Record<string, string>, command: string): Promise<AgentRun> {
  const ended = await execa(
    'faketime',
    ['-f', `${days < 0 ? '' : '+'}${days}d`, process.execPath, 'src/agent/main.ts', command],
    {
      env: { ...surroundings(), ...env },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    },
  )
  return {
    code: ended.exitCode,
    termination: '',
    result: JSON.parse(ended.stdout.trim().split('\n').at(-1) || '{}'),
    log: ended.stderr,
  }
}

test.each([400, -400])('a run whose clock is wrong by %i days bears the time of the store', async days => {
  const { bucket, env, store } = await freshBucket()
  const source = await folder()
  const media = {
    ...env,
    BACKUP_SYSTEM: 'media',
    S3_BUCKET_NAME: bucket,
    BACKUP_VOLUME_B: source,
    BACKUP_SHRINK_LIMIT_PERCENT: '100',
  }
  const replicate = { ...media, REPLICATE_DIRECTION: 'BtoA', USE_RCLONE: 'yes' }
  writeFileSync(join(source, 'file'), 'first')
  const wrong = await runUnderClock(days, replicate, 'replicate')
  expect(wrong.code, wrong.log).toBe(0)
  expect(wrong.log).toMatch(/this machine's clock is \d+ h \d+ min (ahead of|behind) that of the bucket store/)
  const { receipts } = await readReceipts(store, { bucket, system: 'media' })
  expect(Math.abs(Date.now() - Date.parse(receipts[0]?.receipt.taken ?? ''))).toBeLessThan(DAY_MS)
  writeFileSync(join(source, 'file'), 'second')
  expect((await runAgent(replicate)).result).toMatchObject({ sent: 1 })
  expect((await runAgent(replicate)).result).toMatchObject({ sent: 0 })
  const target = await folder()
  expect((await runAgent({ ...media, BACKUP_VOLUME_B: target }, ['restore'])).code).toBe(0)
  expect(await readFile(join(target, 'file'), 'utf8')).toBe('second')
  const verified = await runAgent(media, ['verify'])
  expect(verified.code, verified.log).toBe(0)
})

test('a run on a Rancher host whose clock is wrong bears the time of the store', async () => {
  const { bucket, env } = await freshBucket()
  const settings = { bucket, system: 'rancher', run: 'run', staging: await folder() }
  const script = `
    const { Run } = await import('./src/agent/rancher/run.ts')
    const run = await Run.begin(${JSON.stringify(settings)}, process.env, new AbortController().signal)
    await run.whole(() => run.step('stop', async () => ({})))`
  const ended = await execa('faketime', ['-f', '+400d', process.execPath, '--input-type=module', '--eval', script], {
    env: { ...surroundings(), ...env },
    extendEnv: false,
  })
  expect(ended.stderr).toContain('ahead of that of the bucket store')
  const record = JSON.parse(await readFile(join(settings.staging, 'run.json'), 'utf8'))
  for (const time of [record.start, record.steps[0].start, record.end]) {
    expect(Math.abs(Date.now() - Date.parse(time))).toBeLessThan(DAY_MS)
  }
})

test('a dump under a clock 400 days ahead: LATEST restores the newest state, and nothing newer is pruned', async () => {
  const server = await startServer()
  const { bucket, env, copies } = await freshBucket()
  const volume = await folder()
  const system = {
    ...env,
    ...server.env,
    BACKUP_SYSTEM: 'db',
    BACKUP_VOLUME: volume,
    BACKUP_COUNT: '2',
    DATABASE: 'frag',
    USE_RCLONE: 'yes',
    USE_RCLONE_BUCKET_AND_PATH: bucket,
  }
  await server.sql('postgres', 'create database frag')
  await server.sql('frag', 'create table t (x int)')
  for (const [x, days] of [
    [1, 400],
    [2, 0],
    [3, -400],
  ] as const) {
    await server.sql('frag', `insert into t values (${x})`)
    const run = days === 0 ? await runAgent(system, ['dump']) : await runUnderClock(days, system, 'dump')
    expect(run.code, run.log).toBe(0)
    await new Promise(resolve => setTimeout(resolve, 1001))
  }
  const thisYear = new Date().getUTCFullYear()
  expect((await copies()).map(key => Number(/backup-(\d{4})/.exec(key)?.[1]))).toEqual([thisYear, thisYear])
  await server.sql('frag', 'drop table t')
  const restored = await runAgent(
    {
      ...system,
      RESTORE_FROM: 'bucket',
      RESTORE_WORK: await folder(),
      RESTORE_REPLACE: 'yes',
      LATEST_BACKUP_MAXIMUM_AGE_H: '26',
    },
    ['restore'],
  )
  expect(restored.code, restored.log).toBe(0)
  expect(await server.sql('frag', 'select count(*) from t')).toBe('3')
})

test('a receipt and a copy dated in the future do not count, are reported by every run, and can be set aside', async () => {
  const { bucket, env, store, objects } = await freshBucket()
  const source = await folder()
  writeFileSync(join(source, 'file'), 'now')
  const media = { ...env, BACKUP_SYSTEM: 'media', S3_BUCKET_NAME: bucket, BACKUP_VOLUME_B: source }
  const replicate = { ...media, REPLICATE_DIRECTION: 'BtoA', USE_RCLONE: 'yes' }
  expect((await runAgent(replicate)).code).toBe(0)
  const [good] = (await readReceipts(store, { bucket, system: 'media', kinds: [mediaReceipts] })).receipts
  if (!good) throw new Error('no receipt')
  // As an earlier version wrote them, whose clock was the machine's.
  const future = new Date(Date.now() + 400 * DAY_MS).toISOString()
  const object = await putVerified(store, { bucket, key: `.manifests/media/${future}.jsonl.gz`, body: 'of the future' })
  const { previous: _, schema: __, kind: ___, ...draft } = good.receipt
  const { key, bytes, sha256, etag } = object
  await writeReceipt(store, mediaReceipts, {
    ...draft,
    start: future,
    end: future,
    taken: future,
    object: { key, bytes, sha256, etag },
  })
  const named = `.receipts/media/${future}.json is dated ${future}`

  const verified = await runAgent(media, ['verify'])
  expect(verified.code).toBe(6)
  expect(verified.log).toContain(named)
  writeFileSync(join(source, 'file'), 'changed')
  const run = await runAgent(replicate)
  expect(run.log).toContain(named)
  expect(run.result).toMatchObject({ sent: 1 })
  expect((await runAgent(replicate)).result).toMatchObject({ sent: 0 })
  const target = await folder()
  const restored = await runAgent({ ...media, BACKUP_VOLUME_B: target }, ['restore'])
  expect(restored.log).toContain(named)
  expect(await readFile(join(target, 'file'), 'utf8')).toBe('changed')
  const drilled = await runAgent({ ...media, BACKUP_SCRATCH: await folder() }, ['drill'])
  expect(drilled.code, drilled.log).toBe(0)
  expect(drilled.log).toContain(named)

  expect((await runAgent({ ...media, RESTORE_DRY_RUN: 'yes' }, ['set-aside'])).result).toMatchObject({ dryRun: true })
  expect((await runAgent(media, ['verify'])).code).toBe(6)
  expect((await runAgent(media, ['set-aside'])).log).toContain(`moved ${bucket}/.receipts/media/${future}.json`)
  const after = await runAgent(media, ['verify'])
  expect(after.code, after.log).toBe(0)
  expect((await objects()).map(({ key: name }) => name).filter(name => name.startsWith('.set-aside/'))).toHaveLength(2)
})

test('a dump dated in the future on the volume is reported, neither pruned nor counted, and set aside', async () => {
  const server = await startServer()
  const volume = await folder()
  const system = { ...server.env, BACKUP_SYSTEM: 'db', BACKUP_VOLUME: volume, BACKUP_COUNT: '1' }
  mkdirSync(join(volume, 'hourly'))
  const name = 'backup-2099-01-01T00:00:00Z-dumpall.sql.gz'
  writeFileSync(join(volume, 'hourly', name), 'of the future')
  for (let run = 0; run < 2; run += 1) {
    const dumped = await runAgent(system, ['dump'])
    expect(dumped.code, dumped.log).toBe(0)
    expect(dumped.log).toContain(`${name} is dated 2099-01-01`)
    await new Promise(resolve => setTimeout(resolve, 1001))
  }
  const left = () => readdirSync(join(volume, 'hourly')).filter(file => file.startsWith('backup-'))
  expect(left()).toHaveLength(2)
  const listed = await runAgent({ ...system, FROM_BACKUP: 'NONE', RESTORE_FROM: 'volume' }, ['restore'])
  expect(listed.result).toMatchObject({ copies: 1 })
  expect((await runAgent(system, ['set-aside'])).code).toBe(0)
  expect(left()).toHaveLength(1)
})
