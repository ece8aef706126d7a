import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { drill } from '../../../src/agent/drill.ts'
import { kit } from '../../../src/agent/kit/backup.ts'
import { verify } from '../../../src/agent/verify.ts'
import { readObject } from '../../../src/store/object.ts'
import { readReceipts } from '../../../src/store/receipt.ts'
import { keyPair } from '../../support/age.ts'
import { freshBucket } from '../../support/bucket.ts'

const never = new AbortController().signal

test('each operator can open a kit with age alone, nobody else can, and a drill opens it with the drill key', async () => {
  const [{ bucket, store, env }, operator, forDrills, stranger] = [
    await freshBucket(),
    await keyPair(),
    await keyPair(),
    await keyPair(),
  ]
  const scratch = await mkdtemp('/tmp/recovery-kit-')
  onTestFinished(() => rm(scratch, { recursive: true, force: true }))
  const items = [
    { secret: 'awx-secret-key', key: 'secret_key', variable: 'KIT_0' },
    { secret: 'database', key: 'root_password', variable: 'KIT_1' },
    { secret: 'database', key: 'user_password', variable: 'KIT_2' },
  ]
  const system = { ...env, BACKUP_SYSTEM: 'kit', S3_BUCKET_NAME: bucket, BACKUP_SCRATCH: scratch }
  const config = '{"organisation":"Fragalysis"}'
  const made = {
    ...system,
    BACKUP_COUNT: '2',
    BACKUP_KIT_NAMESPACE: 'awx',
    BACKUP_KIT_ITEMS: JSON.stringify(items),
    BACKUP_RECIPIENTS: `${operator.recipient} ${forDrills.recipient}`,
    BACKUP_KIT_CONFIG: gzipSync(config).toString('base64'),
    KIT_0: 'key of AWX',
    KIT_1: 'root ☃\n',
    KIT_2: 'user',
  }
  await expect(kit({ ...made, KIT_1: '' }, never)).rejects.toMatchObject({
    kind: 'environment',
    message: expect.stringContaining('root_password'),
  })
  await expect(kit({ ...made, BACKUP_KIT_CONFIG: config }, never)).rejects.toMatchObject({
    kind: 'environment',
    message: expect.stringContaining('BACKUP_KIT_CONFIG is not JSON in gzip in Base64'),
  })
  await expect(kit({ ...made, BACKUP_RECIPIENTS: 'age1nobody' }, never)).rejects.toMatchObject({
    kind: 'environment',
  })
  const result = await kit(made, never)
  expect(result).toMatchObject({ secrets: 2, keys: 3, recipients: 2 })
  expect(await readdir(scratch)).toEqual([])

  const answer = await store.s3.send(new GetObjectCommand({ Bucket: bucket, Key: String(result.copy) }))
  const file = join(scratch, 'kit.age')
  await writeFile(file, (await answer.Body?.transformToByteArray()) ?? '')
  expect(await readFile(file, 'latin1')).not.toContain('root')
  const open = async (identity: string) => {
    await writeFile(join(scratch, 'key'), identity)
    return await execa('age', ['-d', '-i', join(scratch, 'key'), file], { reject: false })
  }
  const list = JSON.parse((await open(operator.identity)).stdout)
  expect(
    list.items.map((item: { kind: string; metadata: { name: string } }) => `${item.kind} ${item.metadata.name}`),
  ).toEqual(['Secret awx-secret-key', 'Secret database', 'ConfigMap fragalysis-backups-config'])
  expect(Buffer.from(list.items[1].data.root_password, 'base64').toString()).toBe('root ☃\n')
  const [, , about] = list.items
  expect(gunzipSync(Buffer.from(about.binaryData['config.json.gz'], 'base64')).toString()).toBe(config)
  expect((await open(stranger.identity)).failed).toBe(true)

  expect(await drill({ ...system, BACKUP_IDENTITY: forDrills.identity }, never)).toMatchObject({ system: 'kit' })
  await expect(drill({ ...system, BACKUP_IDENTITY: stranger.identity }, never)).rejects.toMatchObject({
    kind: 'drill',
  })
  expect(await verify({ ...system, BACKUP_DRILL_MAXIMUM_AGE_H: '1' })).toMatchObject({ copies: 1 })
  const { receipts } = await readReceipts(store, { bucket, system: 'kit' })
  expect(JSON.stringify(receipts)).not.toContain('key of AWX')
  expect(receipts[0]?.receipt).toMatchObject({
    details: { configSha256: createHash('sha256').update(config).digest('hex') },
  })
})

test('values of Secrets are bytes: from files and from the environment, empty ones, and odd keys', async () => {
  const [{ bucket, store, env }, pair] = [await freshBucket(), await keyPair()]
  const folder = await mkdtemp('/tmp/recovery-kit-')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const values: Record<string, Buffer> = {
    binary: Buffer.from('feedfeed8081ff', 'hex'),
    '.dockerconfigjson': Buffer.from('{"auths":{}}'),
    'every-byte': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    empty: Buffer.alloc(0),
    __proto__: Buffer.from('a name of JavaScript'),
    'line-breaks': Buffer.from('\r\n\n'),
  }
  await mkdir(join(folder, 'odd'))
  for (const [key, value] of Object.entries(values)) await writeFile(join(folder, 'odd', key), value)
  const system = { ...env, BACKUP_SYSTEM: 'kit', S3_BUCKET_NAME: bucket, BACKUP_SCRATCH: folder }
  const items = [
    ...Object.keys(values).map(key => ({ secret: 'odd', key })),
    { secret: 'variable', key: 'k', variable: 'V' },
  ]
  const made = {
    ...system,
    BACKUP_KIT_FOLDER: folder,
    BACKUP_KIT_NAMESPACE: 'n',
    BACKUP_KIT_ITEMS: JSON.stringify(items),
    BACKUP_RECIPIENTS: pair.recipient,
  }
  // A shell makes the value, since no string of this process can be it.
  const run = await execa('bash', ['-c', `V=$'\\xfe\\xed\\x80' exec "$0" src/agent/main.ts kit`, process.execPath], {
    env: { ...made, PATH: process.env.PATH ?? '' },
    extendEnv: false,
    reject: false,
  })
  expect(run.exitCode, run.stderr).toBe(0)
  const key = JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '').copy as string
  const object = await readObject(store, bucket, key)
  await writeFile(join(folder, 'identity'), pair.identity)
  const { stdout } = await execa('age', ['-d', '-i', join(folder, 'identity')], { input: object })
  const [odd, variable] = JSON.parse(stdout).items as { data: Record<string, string> }[]
  expect(Object.entries(odd?.data ?? {}).sort()).toEqual(
    Object.entries(values)
      .map(([name, value]) => [name, value.toString('base64')])
      .sort(),
  )
  expect(variable?.data.k).toBe(Buffer.from('feed80', 'hex').toString('base64'))
  expect(await drill({ ...system, BACKUP_IDENTITY: pair.identity }, never)).toMatchObject({ system: 'kit' })
})
