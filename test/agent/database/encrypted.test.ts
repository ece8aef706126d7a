import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import production from '../../../backups.config.ts'
import { dump } from '../../../src/agent/database/backup.ts'
import { restore } from '../../../src/agent/restore.ts'
import { verify } from '../../../src/agent/verify.ts'
import { type DatabaseSystem, database } from '../../../src/kinds/database.ts'
import { readObject } from '../../../src/store/object.ts'
import { readReceipts } from '../../../src/store/receipt.ts'
import { keyPair } from '../../support/age.ts'
import { folder, runAgent, surroundings } from '../../support/agent.ts'
import { freshBucket } from '../../support/bucket.ts'
import { startServer, type TestServer } from '../../support/postgres.ts'

const never = new AbortController().signal
const ROWS = 'SELECT count(*) FROM orders'
// The text of a row, which neither the volume nor a bucket may show.
const WORD = 'a sentence that nobody else may read'

// A PostgreSQL server does not run as root.
const AS_POSTGRES = ['--reuid=postgres', '--regid=postgres', '--clear-groups']

/** rclone's remote `store`, as the runbook has it set. */
const remote = (env: Record<string, string>) => ({
  RCLONE_CONFIG_STORE_TYPE: 's3',
  RCLONE_CONFIG_STORE_PROVIDER: 'Ceph',
  RCLONE_CONFIG_STORE_ENDPOINT: env.RCLONE_S3_ENDPOINT,
  RCLONE_CONFIG_STORE_ACCESS_KEY_ID: env.AWS_ACCESS_KEY_ID,
  RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: env.AWS_SECRET_ACCESS_KEY,
})

async function shop(): Promise<TestServer> {
  const server = await startServer()
  await server.sql('postgres', 'CREATE DATABASE shop')
  await server.sql('shop', `CREATE TABLE orders AS SELECT g AS id, '${WORD}' AS said FROM generate_series(1, 500) g`)
  return server
}

test.each(['gzip', 'zstd'] as const)(
  'an encrypted dump (%s) opens with the key of each recipient and with no other, by the agent and by age alone',
  async compression => {
    const [server, volume, bucket, operator, forDrills, stranger] = [
      await shop(),
      await folder(),
      await freshBucket(),
      await keyPair(),
      await keyPair(),
      await keyPair(),
    ]
    const place = { ...bucket.env, BACKUP_SYSTEM: 'shop', USE_RCLONE: 'yes', USE_RCLONE_BUCKET_AND_PATH: bucket.bucket }
    const settings = {
      ...place,
      ...server.env,
      BACKUP_VOLUME: volume,
      BACKUP_COMPRESSION: compression,
      DATABASE: 'shop',
    }
    const encrypted = { ...settings, BACKUP_RECIPIENTS: `${operator.recipient} ${forDrills.recipient}` }
    // One copy from before the encryption, and one that has not reached the bucket.
    const before = await dump(settings, never)
    await sleep(1100)
    await server.sql('shop', 'INSERT INTO orders VALUES (0, null)')
    const plain = await dump({ ...settings, USE_RCLONE: 'no' }, never)
    await sleep(1100)
    await server.sql('shop', 'INSERT INTO orders VALUES (-1, null)')
    await dump(encrypted, never)

    const { receipts } = await readReceipts(bucket.store, { bucket: bucket.bucket, system: 'shop' })
    const key = String(receipts[0]?.receipt.object.key)
    expect(key).toMatch(compression === 'gzip' ? /\.sql\.gz\.age$/ : /\.sql\.zst\.age$/)
    // What is plain does not follow.
    const inBucket = await bucket.copies()
    expect(inBucket.map(name => name.endsWith('.age'))).toEqual([false, true])
    expect(inBucket.join()).not.toContain(String(plain.copy))
    const body = await readObject(bucket.store, bucket.bucket, key)
    expect(body.subarray(0, 21).toString()).toBe('age-encryption.org/v1')
    expect(await readFile(join(volume, key))).toEqual(body)
    expect(receipts[0]?.receipt).toMatchObject({
      bytes: body.length,
      counts: { 'rows:public.orders': 502 },
      details: { recipients: [operator.recipient, forDrills.recipient] },
      versions: { age: expect.stringMatching(/^v?\d/) },
    })

    // By the first commands of the runbook, which leave the dump as SQL.
    const keys = await folder()
    await writeFile(join(keys, 'key'), operator.identity)
    const system = production.systems.find(({ name }) => name === 'production-stack-db') as DatabaseSystem
    const drillIdentity = { secret: 'drill-key', key: 'identity', recipient: forDrills.recipient }
    const recipients = [operator.recipient]
    const { restore: byHand } = database.runbook(
      { ...system, bucket: bucket.bucket, compression, encrypt: { recipients, drillIdentity } },
      production,
    )
    await execa('bash', ['-c', /```bash\n(.*?)```/s.exec(byHand)?.[1] ?? 'false'], {
      cwd: keys,
      env: { ...surroundings(), ...remote(bucket.env), KEY: join(keys, 'key') },
      extendEnv: false,
    })
    const { stdout: sql } = await execa('gunzip', ['-c', join(keys, 'dump.sql.gz')])
    expect(sql.split(WORD)).toHaveLength(501)

    // By age, an unpacker and psql.
    const target = await startServer()
    await target.sql('postgres', 'CREATE DATABASE shop')
    const { PGADMINPASS: PGPASSWORD = '', ...connection } = target.env
    const unpack = compression === 'gzip' ? 'gunzip -c' : 'zstd -dc'
    await execa('bash', ['-c', `set -o pipefail; age -d -i "$KEY" | ${unpack} | psql -Xq -v ON_ERROR_STOP=1 -d shop`], {
      env: { ...connection, PGPASSWORD, KEY: join(keys, 'key') },
      input: body,
    })
    expect(await target.sql('shop', ROWS)).toBe('502')

    // By the agent: without the key, with a stranger's, with each recipient's, from the bucket and from the volume.
    const env = {
      ...place,
      ...target.env,
      DATABASE: 'shop',
      RESTORE_WORK: await folder(),
      RESTORE_REPLACE: 'yes',
      RESTORE_KEEP_BEFORE: 'no',
    }
    await expect(restore(env, never)).rejects.toMatchObject({
      kind: 'environment',
      message: expect.stringContaining('BACKUP_IDENTITY is not set'),
    })
    await expect(restore({ ...env, BACKUP_IDENTITY: stranger.identity }, never)).rejects.toMatchObject({
      kind: 'restore',
      message: expect.stringContaining('it is the key of none of its recipients'),
    })
    const wrong = await runAgent({ ...env, BACKUP_IDENTITY: 'AGE-SECRET-KEY-1TYPED' }, ['restore'])
    expect(wrong.log).toContain('it is no private age key')
    expect(wrong.log).not.toContain('1TYPED')
    for (const from of ['bucket', 'volume']) {
      await target.sql('shop', 'DELETE FROM orders')
      const { identity: BACKUP_IDENTITY } = from === 'bucket' ? operator : forDrills
      await restore({ ...env, BACKUP_VOLUME: volume, RESTORE_FROM: from, BACKUP_IDENTITY }, never)
      expect(await target.sql('shop', ROWS), from).toBe('502')
    }
    await restore(
      {
        ...env,
        FROM_BACKUP:
          String(before.copy)
            .slice(-40)
            .match(/\d{4}-.+?Z/)?.[0] ?? '',
      },
      never,
    )
    expect(await target.sql('shop', ROWS)).toBe('500')

    // A second copy is the same object, and opens with the same keys.
    const second = await freshBucket()
    const copied = await runAgent(
      {
        ...place,
        BACKUP_SECOND_BUCKET: second.bucket,
        BACKUP_SECOND_ENDPOINT: String(second.env.RCLONE_S3_ENDPOINT),
        BACKUP_SECOND_ACCESS_KEY_ID: String(second.env.AWS_ACCESS_KEY_ID),
        BACKUP_SECOND_SECRET_ACCESS_KEY: String(second.env.AWS_SECRET_ACCESS_KEY),
      },
      ['second-copy'],
    )
    expect(copied.code, copied.log).toBe(0)
    expect(await readObject(second.store, second.bucket, key)).toEqual(body)
    const scratch = await folder()
    const there = { ...place, DATABASE: 'shop', USE_RCLONE_BUCKET_AND_PATH: second.bucket, BACKUP_SCRATCH: scratch }
    await execa('chown', ['postgres:', scratch])
    const drill = (more: Record<string, string>) =>
      execa('setpriv', [...AS_POSTGRES, process.execPath, 'src/agent/main.ts', 'drill'], {
        env: { ...there, PGUSER: 'admin', ...surroundings(), ...more },
        extendEnv: false,
        reject: false,
      })
    expect((await drill({})).exitCode).toBe(2)
    const drilled = await drill({ BACKUP_IDENTITY: forDrills.identity })
    expect(drilled.exitCode, drilled.stderr).toBe(0)
    const proofs = await readReceipts(second.store, { bucket: second.bucket, system: 'drill.shop' })
    expect(proofs.receipts[0]?.receipt).toMatchObject({ object: { key }, counts: receipts[0]?.receipt.counts })

    // Read back without a key: a flipped bit is found.
    expect(await verify({ ...place, BACKUP_DEEP: 'yes' })).toMatchObject({ copies: 2, readBack: 2 })
    body.writeUInt8(body.readUInt8(body.length - 40) ^ 1, body.length - 40)
    await bucket.put(key, body)
    await expect(verify({ ...place, BACKUP_DEEP: 'yes' })).rejects.toMatchObject({ kind: 'verification' })
    await writeFile(join(volume, key), body)
    const damaged = { ...env, BACKUP_VOLUME: volume, RESTORE_FROM: 'volume', BACKUP_IDENTITY: operator.identity }
    await expect(restore(damaged, never)).rejects.toMatchObject({
      kind: 'restore',
      message: expect.stringMatching(/cannot be restored: failed to decrypt/),
    })
  },
)

test('a recipient that is none fails the dump, and leaves no copy', async () => {
  const [server, volume] = [await shop(), await folder()]
  const settings = { ...server.env, BACKUP_SYSTEM: 'shop', BACKUP_VOLUME: volume, BACKUP_RECIPIENTS: 'age1nobody' }
  const run = await runAgent(settings, ['dump'])
  expect(run.code).not.toBe(0)
  expect(run.result).toMatchObject({ failure: 'dump', message: expect.stringContaining('malformed recipient') })
  expect((await execa('find', [volume, '-name', '*backup-*'])).stdout).toBe('')
})
