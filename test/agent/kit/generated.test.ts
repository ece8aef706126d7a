import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { kit } from '../../../src/agent/kit/backup.ts'
import { readObject } from '../../../src/store/object.ts'
import { freshBucket } from '../../support/bucket.ts'
import { type HostileSecrets, hostileSecrets } from '../../support/hostile-secrets.ts'

// BACKUPS_TEST_SEEDS=<first>-<last> runs others than these, and as many as one likes.
const [first = 1, last = 200] = (process.env.BACKUPS_TEST_SEEDS ?? '1-200').split('-').map(Number)
const SEEDS_OF_A_KIT = 10

test(`generated Secrets of the seeds ${first} to ${last} come out of their kits byte by byte`, async () => {
  const { bucket, store, env } = await freshBucket()
  const { stdout: identity } = await execa('age-keygen', [])
  const folder = await mkdtemp('/tmp/recovery-secrets-')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'identity'), identity)
  let largest = 0
  for (let from = first; from <= last; from += SEEDS_OF_A_KIT) {
    const seeds = Array.from({ length: Math.min(SEEDS_OF_A_KIT, last - from + 1) }, (_, index) => from + index)
    const secrets = Object.assign({}, ...seeds.map(hostileSecrets)) as HostileSecrets
    const mounted = join(folder, String(from))
    const items: { secret: string; key: string }[] = []
    for (const [secret, { data }] of Object.entries(secrets)) {
      await mkdir(join(mounted, secret), { recursive: true })
      for (const [key, value] of Object.entries(data)) {
        items.push({ secret, key })
        largest = Math.max(largest, value.length)
        await writeFile(join(mounted, secret, key), value)
      }
    }
    const { copy } = await kit(
      {
        ...env,
        BACKUP_SYSTEM: 'kit',
        S3_BUCKET_NAME: bucket,
        BACKUP_SCRATCH: folder,
        BACKUP_COUNT: '1',
        BACKUP_KIT_FOLDER: mounted,
        BACKUP_KIT_NAMESPACE: 'n',
        BACKUP_KIT_ITEMS: JSON.stringify(items),
        BACKUP_KIT_SECRETS: JSON.stringify(
          Object.fromEntries(Object.entries(secrets).map(([name, { fields }]) => [name, fields])),
        ),
        BACKUP_RECIPIENTS: /public key: (age1\w+)/.exec(identity)?.[1] ?? '',
      },
      new AbortController().signal,
    )
    const { stdout } = await execa('age', ['-d', '-i', join(folder, 'identity')], {
      input: await readObject(store, bucket, String(copy)),
      maxBuffer: 1024 ** 3,
    })
    const opened = JSON.parse(stdout).items.filter(({ kind }: { kind: string }) => kind === 'Secret') as {
      metadata: { name: string; namespace: string; labels?: object; annotations?: object }
      data: Record<string, string>
    }[]
    for (const { metadata, data: _, ...fields } of opened) {
      const { type, immutable, labels, annotations } = secrets[metadata.name]?.fields ?? {}
      expect({ metadata, ...fields }).toEqual({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: metadata.name, namespace: 'n', labels, annotations },
        type,
        immutable,
      })
    }
    const found = opened.flatMap(({ metadata, data }) =>
      Object.entries(data).map(([key, value]) => [metadata.name, key, value]),
    )
    const expected = items.map(({ secret, key }) => [secret, key, secrets[secret]?.data[key]?.toString('base64')])
    expect(found.sort(), `from seed ${from}`).toEqual(expected.sort())
    await rm(mounted, { recursive: true })
  }
  if (last - first >= 199) expect(largest).toBeGreaterThan(1_000_000)
}, 600_000)
