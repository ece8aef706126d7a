import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { CreateBucketCommand, DeleteBucketCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import config from '../../backups.config.ts'
import { databaseReceipts } from '../../src/agent/database/receipt.ts'
import { mediaReceipts } from '../../src/agent/media/receipt.ts'
import { projectRoot } from '../../src/ansible/venv.ts'
import type { DatabaseSystem, MediaSystem } from '../../src/kinds/index.ts'
import { labConfig } from '../../src/lab/config.ts'
import { databaseFingerprint, type Sql } from '../../src/lab/content/database.ts'
import { differences } from '../../src/lab/content/difference.ts'
import { freshServer, psql } from '../../src/lab/kinds/database.ts'
import { type InContainer, withPod } from '../../src/lab/pod.ts'
import { prove } from '../../src/lab/prove.ts'
import { inPod, type LabAccess } from '../../src/lab/reach.ts'
import { labImages } from '../../src/lab/site.ts'
import { openStore } from '../../src/store/client.ts'
import { listObjects } from '../../src/store/list.ts'
import { type ReceiptKind, writeReceipt } from '../../src/store/receipt.ts'

const need = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: \`npm test -- cluster\` raises the lab and sets it`)
  return value
}
const state = need('BACKUPS_TEST_LAB_STATE')
const access = {
  ...config.store,
  endpoint: need('BACKUPS_TEST_S3_ENDPOINT'),
  accessKeyId: need('BACKUPS_TEST_S3_ACCESS_KEY_ID'),
  secretAccessKey: need('BACKUPS_TEST_S3_SECRET_ACCESS_KEY'),
}
const lab: LabAccess = {
  kubectl: { binary: join(state, 'kubectl'), kubeconfig: join(state, 'kubeconfig') },
  dockerHost: [join(state, 'machine'), 'exec', 'rancher'],
  storeOf: () => access,
  images: labImages,
}

describe('databaseFingerprint', { timeout: 300_000 }, () => {
  const admin = 'the Admin, of all'

  /** Works in a fresh server with the content of a stack, named `frag`. */
  async function withStack(work: (sql: Sql, run: InContainer) => Promise<void>): Promise<void> {
    const name = `test-fingerprint-${process.pid}`
    const copy = { name: 'copy', mountPath: '/copy' }
    const pod = {
      namespace: name,
      ownNamespace: true,
      name,
      containers: [freshServer(lab, admin, copy)],
      volumes: [{ name: 'copy', emptyDir: {} }],
      variables: {},
    }
    await withPod(lab, pod, async run => {
      const sql: Sql = (database, text) => run('server', psql(admin, database), text)
      const content = await readFile(join(projectRoot, 'roles/lab_database/files/stack.sql'), 'utf8')
      const variables = ['system=test', 'factor=0.1', 'database=frag', 'owner=fragalysis'].map(v => `--set=${v}`)
      expect(await run('server', [...psql(admin, 'postgres'), ...variables], content)).toBe('content: loaded')
      expect(await run('server', [...psql(admin, 'postgres'), ...variables], content)).toBe('content: present')
      await work(sql, run)
    })
  }

  it('is the same after pg_dump and psql, and not after a change, whatever was changed', async () => {
    await withStack(async (sql, run) => {
      await sql('postgres', 'CREATE DATABASE copy OWNER fragalysis TEMPLATE template0')
      const through = `set -o pipefail; pg_dump -U "$0" frag | psql -Xq -v ON_ERROR_STOP=1 -U "$0" copy >/dev/null`
      await run('server', ['bash', '-c', through, admin])
      const original = await databaseFingerprint(sql, 'frag')
      expect(differences('dump', original, await databaseFingerprint(sql, 'copy'))).toEqual([])

      await sql('copy', changes.map(([change]) => `${change};`).join('\n'))
      const found = differences('dump', original, await databaseFingerprint(sql, 'copy'), 100).join('\n')
      for (const [change, where] of changes) expect(found, change).toContain(where)
    })
  })

  const changes = [
    [
      'DELETE FROM viewer_snapshot WHERE id = 150',
      'dump, table public.viewer_snapshot, rows: 200 in the original, 199 in the copy',
    ],
    [`UPDATE viewer_compound SET comment = 'x' WHERE id = 7`, 'dump, table public.viewer_compound, hash'],
    [
      'ALTER TABLE auth_group OWNER TO CURRENT_USER',
      'dump, definition of table public.auth_group, owner: "fragalysis"',
    ],
    ['DROP EXTENSION "uuid-ossp"', 'dump, extension uuid-ossp: missing in the copy'],
    [`SELECT setval('viewer_target_id_seq', 1)`, 'dump, sequence public.viewer_target_id_seq, last value'],
    ['SELECT lo_unlink(min(picture)) FROM viewer_snapshot', 'dump, large objects, count'],
    [`SELECT lo_put(max(picture), 0, 'x') FROM viewer_snapshot`, 'dump, large objects, hash'],
    ['DROP INDEX viewer_siteobservation_code', 'dump, index public.viewer_siteobservation_code: missing in the copy'],
    ['ALTER TABLE viewer_target DISABLE TRIGGER stamp', 'dump, trigger stamp of public.viewer_target'],
    ['GRANT SELECT ON auth_user TO PUBLIC', 'dump, definition of table public.auth_user, privileges'],
    [
      'REFRESH MATERIALIZED VIEW viewer_vendor WITH NO DATA',
      'dump, materialised view public.viewer_vendor, populated: true',
    ],
  ] as const
})

// A proof waits for pods to start and to go, on a machine that has other work too.
describe('prove', { timeout: 300_000 }, () => {
  const bucket = `test-proof-${process.pid}`
  const store = openStore({
    RCLONE_S3_ENDPOINT: access.endpoint,
    AWS_ACCESS_KEY_ID: access.accessKeyId,
    AWS_SECRET_ACCESS_KEY: access.secretAccessKey,
  })
  const systems = labConfig(config).systems
  const stack = { ...(systems.find(s => s.name === 'production-stack-db') as DatabaseSystem), bucket }
  const media = { ...(systems.find(s => s.name === 'production-stack-media') as MediaSystem), bucket }
  const key = 'hourly/dump.sql.gz'
  let dump: Buffer

  beforeAll(async () => {
    await store.s3.send(new CreateBucketCommand({ Bucket: bucket }))
    const server = { namespace: stack.namespace, target: `statefulset/${stack.service}`, container: 'server' }
    const text = await inPod(lab, server, [
      'bash',
      '-c',
      `pg_dump -U "$ADMIN_USER" '${stack.database}' | gzip -1 | base64`,
    ])
    dump = Buffer.from(text, 'base64')
  })

  afterAll(async () => {
    for await (const object of listObjects(store, { bucket })) {
      await store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: object.key }))
    }
    await store.s3.send(new DeleteBucketCommand({ Bucket: bucket }))
  })

  /** Puts an object and a receipt that vouches for `said`, as a run would that knows no better. */
  async function copyWith(system: DatabaseSystem | MediaSystem, object: Buffer, said = object): Promise<void> {
    const put = await store.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: object }))
    const now = new Date().toISOString()
    const sha256 = createHash('sha256').update(said).digest('hex')
    const kind = system.kind === 'media' ? mediaReceipts : databaseReceipts
    const details = system.kind === 'media' ? { prefix: '' } : { tier: 'hourly', database: null }
    await writeReceipt<ReceiptKind>(store, kind, {
      system: system.name,
      details,
      start: now,
      end: now,
      bucket,
      object: { key, bytes: said.length, sha256, etag: put.ETag ?? '' },
      bytes: said.length,
      versions: {},
      counts: {},
    })
  }

  const provedOnce = async (system: DatabaseSystem | MediaSystem) => (await prove([system], lab, () => {}))[0]

  it('finds no copy without a receipt', async () => {
    const row = await provedOnce(stack)
    expect(row).toMatchObject({ system: stack.name, bucket, object: '', restored: false })
    expect(row?.why.join()).toContain('no receipt')
  })

  it('restores a good dump', async () => {
    await copyWith(stack, dump)
    expect(await provedOnce(stack)).toMatchObject({ object: key, bytes: dump.length, restored: true, why: [] })
  })

  it('finds a dump that lost rows on the way', async () => {
    const sql = gunzipSync(dump).toString('latin1')
    const without = sql.replace(/^(COPY public\.django_session .*\n).*\n/m, '$1')
    expect(without.length).toBeLessThan(sql.length)
    await copyWith(stack, gzipSync(Buffer.from(without, 'latin1')))
    const row = await provedOnce(stack)
    expect(row?.restored).toBe(false)
    expect(row?.why).toContain('dump, table public.django_session, rows: 3000 in the original, 2999 in the copy')
  })

  it('finds an object that is not the one of the receipt, and one that is cut off', async () => {
    await copyWith(stack, dump.subarray(0, dump.length - 1000), dump)
    expect((await provedOnce(stack))?.why.join()).toContain("the object's SHA-256 is")
    await copyWith(stack, dump.subarray(0, dump.length - 1000))
    expect((await provedOnce(stack))?.why.join()).toContain('unexpected end of file')
  })

  it('finds media of which nothing is in the bucket', async () => {
    await copyWith(media, Buffer.from('no manifest'))
    const row = await provedOnce(media)
    expect(row?.restored).toBe(false)
    expect(row?.why.join('\n')).toContain('missing in the copy')
  })
})
