import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DeleteObjectCommand, PutBucketAclCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { expect, onTestFinished } from 'vitest'
import { deleteKeys } from '../../../src/store/list.ts'
import { readObject } from '../../../src/store/object.ts'
import { openTo } from '../../../src/store/openness.ts'
import { readReceipts } from '../../../src/store/receipt.ts'
import { listVersions } from '../../../src/store/versions.ts'
import { folder, startAgent } from '../../support/agent.ts'
import { newestGood } from '../../support/receipts.ts'
import { type Answer, isUpload, refusingProxy, type SeenRequest } from '../../support/store-proxy.ts'
import { type Toxic, toxicProxy } from '../../support/toxiproxy.ts'
import type { Column, Fault } from '../matrix.ts'
import { type AgentFault, every, fails, survives } from './faults.ts'
import type { Injected, Subject } from './subject.ts'

const DAY_MS = 86_400_000

const endpointOf = ({ env }: Subject) => env.RCLONE_S3_ENDPOINT ?? ''
const through = ({ url }: { url: string }) => ({ RCLONE_S3_ENDPOINT: url })

/** The store answers some requests like this. */
function refusing(refuse: Refusal['refuse'], then: Injected) {
  return async (subject: Subject): Promise<Injected> => ({
    ...then,
    env: through(await refusingProxy(endpointOf(subject), refuse())),
  })
}

/** The network to the store does this. */
function disturbed(toxics: readonly Toxic[], then: Injected) {
  return async (subject: Subject): Promise<Injected> => ({
    ...then,
    env: through(await toxicProxy(endpointOf(subject), toxics)),
  })
}

const found = { exit: 6, alarm: 'job', args: ['verify'] } as const

async function receiptsOf({ bucket, system }: Subject) {
  return (await readReceipts(bucket.store, { bucket: bucket.bucket, system })).receipts
}

/** The newest copy is replaced by what somebody made of its bytes. */
function replaced(change: (body: Buffer) => Buffer) {
  return async (subject: Subject): Promise<Injected> => {
    const key = await newestGood(subject.bucket, subject.system)
    const { store, bucket, put } = subject.bucket
    await put(key, change(await readObject(store, bucket, key)))
    return { ...found, says: /its receipt says \d+ bytes with/, newestLost: true }
  }
}

const ofReceipts = 'The copies in the bucket'
const ofStore = 'The store'
const alike = { rancher: 'the run on the Docker host talks to the store by the same code, as its other cells show' }
const mediaIsATree =
  'a copy of media is one manifest for one tree of files: there is no older copy to go back to, and the next run makes it anew'

/** A fault of the store that is an answer to some requests; what a run says of it, whatever system it backs up. */
interface Refusal {
  readonly fault: Fault
  /** Made anew for each run. */
  readonly refuse: () => (request: SeenRequest) => string | Answer | undefined
  readonly then: Injected
}

const uploads = (answer: string | Answer) => () => (request: SeenRequest) => (isUpload(request) ? answer : undefined)
const everything = (answer: string | Answer) => () => () => answer

function refusal(name: string, most: Column, refuse: Refusal['refuse'], then: Injected): Refusal {
  return { fault: { name, group: ofStore, without: {}, most }, refuse, then }
}

export const refusals: readonly Refusal[] = [
  refusal('an upload is refused: 403 AccessDenied', 'media', uploads('AccessDenied'), {
    ...fails,
    exit: 3,
    says: /(PutObject|UploadPart) .*AccessDenied \(HTTP 403\).*check the key's permissions/,
  }),
  refusal('the bucket is gone: 404 NoSuchBucket', 'kit', everything({ status: 404, code: 'NoSuchBucket' }), {
    ...fails,
    exit: 3,
    says: /NoSuchBucket \(HTTP 404\).*create the bucket/,
  }),
  refusal('the key was revoked: 403 InvalidAccessKeyId', 'database', everything('InvalidAccessKeyId'), {
    ...fails,
    exit: 3,
    says: /InvalidAccessKeyId.*check AWS_ACCESS_KEY_ID/,
  }),
  refusal('every upload ends in 500 InternalError', 'database', uploads('InternalError'), {
    ...fails,
    exit: 3,
    says: /(PutObject|UploadPart) .*InternalError \(HTTP 500\)/,
  }),
  refusal('a storm of 503 SlowDown', 'media', storm, { ...survives, says: /SUCCESS/ }),
  refusal('the quota is exceeded', 'database', uploads('QuotaExceeded'), {
    ...fails,
    exit: 9,
    says: /QuotaExceeded \(HTTP 403\).*raise the quota/,
  }),
  refusal(
    '200 with an error in its body, and nothing stored',
    'database',
    uploads({ status: 200, code: 'InternalError' }),
    { ...fails, exit: 3, says: /(PutObject|UploadPart) .*InternalError/ },
  ),
  refusal("the store's clock is wrong: RequestTimeTooSkewed", 'kit', everything('RequestTimeTooSkewed'), {
    ...fails,
    exit: 3,
    says: /RequestTimeTooSkewed.*set this machine's clock/,
  }),
]

/** Two of three requests are refused at first. */
function storm(): (request: SeenRequest) => string | undefined {
  let left = 12
  return () => {
    left -= 1
    return left >= 0 && left % 3 !== 0 ? 'SlowDown' : undefined
  }
}

export const storeAway: Fault = {
  name: 'the store is away: connections are refused',
  group: ofStore,
  without: {},
  most: 'media',
}

export const storeFaults: readonly AgentFault[] = [
  ...refusals.map(({ fault, refuse, then }) => ({ fault, cells: every(refusing(refuse, then)) })),
  {
    fault: { name: "the run's own clock is 400 days ahead", group: ofStore, without: alike, most: 'database' },
    cells: every(async () => ({ ...survives, under: ['faketime', '-f', '+400d'], says: /clock is .* ahead of/ })),
  },
  {
    fault: { name: 'the store is slow', group: ofStore, without: alike, most: 'media' },
    cells: every(
      disturbed(
        [
          { type: 'latency', stream: 'downstream', attributes: { latency: 120, jitter: 60 } },
          { type: 'bandwidth', stream: 'upstream', attributes: { rate: 400 } },
        ],
        { ...survives, says: /SUCCESS/ },
      ),
    ),
  },
  {
    fault: { name: 'connections are cut in the middle of answers', group: ofStore, without: alike, most: 'database' },
    cells: every(
      disturbed(
        // Each connection ends after so many bytes of answers; half of them are spared.
        [{ type: 'limit_data', stream: 'downstream', attributes: { bytes: 900 }, toxicity: 0.5 }],
        { ...survives, says: /SUCCESS/ },
      ),
    ),
  },
  {
    fault: { name: 'connections are cut in the middle of uploads', group: ofStore, without: alike, most: 'media' },
    cells: every(
      disturbed(
        // A dump is longer; the requests of files and kits are, three of them together.
        [{ type: 'limit_data', stream: 'upstream', attributes: { bytes: 3000 }, toxicity: 0.4 }],
        { ...survives, says: /SUCCESS/ },
      ),
    ),
  },
  {
    fault: storeAway,
    cells: every(async () => ({
      ...fails,
      env: { RCLONE_S3_ENDPOINT: 'http://127.0.0.1:1' },
      exit: 3,
      says: /ECONNREFUSED.*check the endpoint/,
    })),
  },
  {
    fault: { name: 'the endpoint hangs until the deadline of the run', group: ofStore, without: alike, most: 'kit' },
    cells: every(async subject => {
      // Nothing that is sent arrives, and no connection ends.
      const hang: Toxic = { type: 'timeout', stream: 'upstream', attributes: { timeout: 0 } }
      const stop = async (run: { kill: (signal: 'SIGTERM') => void }) => {
        await sleep(8000)
        run.kill('SIGTERM')
      }
      const then = { ...fails, exit: 15, says: /stopped by SIGTERM/, during: stop }
      return await disturbed([hang], then)(subject)
    }),
  },
  {
    fault: { name: 'the certificate has expired', group: ofStore, without: alike, most: 'kit' },
    cells: every(async () => ({
      ...fails,
      env: await expired(),
      exit: 3,
      says: /certificate has expired/,
    })),
  },
  {
    fault: { name: 'everybody may read and write the bucket', group: ofStore, without: alike, most: 'media' },
    cells: every(async ({ bucket: { store, bucket } }) => {
      await store.s3.send(new PutBucketAclCommand({ Bucket: bucket, ACL: 'public-read-write' }))
      const closed = async () => expect((await openTo(store, bucket)).open).toEqual([])
      return { ...survives, says: /SUCCESS/, end: closed }
    }),
  },
  {
    fault: {
      name: 'the newest copy is cut short',
      group: ofReceipts,
      without: { ...alike, media: mediaIsATree },
      most: 'database',
    },
    cells: {
      database: replaced(body => body.subarray(0, body.length >> 1)),
      kit: replaced(body => body.subarray(0, body.length >> 1)),
    },
  },
  {
    fault: {
      name: 'a byte of the newest copy is flipped',
      group: ofReceipts,
      without: { ...alike, media: mediaIsATree },
      most: 'kit',
    },
    cells: { database: replaced(flip), kit: replaced(flip) },
  },
  {
    fault: {
      name: 'the newest copy is deleted',
      group: ofReceipts,
      without: { ...alike, media: mediaIsATree },
      most: 'database',
    },
    cells: (() => {
      const remove = async (subject: Subject): Promise<Injected> => {
        const key = await newestGood(subject.bucket, subject.system)
        await deleteKeys(subject.bucket.store, subject.bucket.bucket, [key])
        return { ...found, says: /is missing, although it has a receipt/, newestLost: true }
      }
      return { database: remove, kit: remove }
    })(),
  },
  {
    fault: { name: 'a receipt is forged', group: ofReceipts, without: alike, most: 'media' },
    cells: every(async subject => {
      const [, older] = await receiptsOf(subject)
      await subject.bucket.put(older?.key ?? '', JSON.stringify({ ...older?.receipt, bytes: 1 }))
      return { ...found, says: /FAILURE \(6\): .*receipt/ }
    }),
  },
  {
    fault: { name: 'a receipt is missing', group: ofReceipts, without: alike, most: 'kit' },
    cells: every(async subject => {
      await subject.backUp()
      const [, middle] = await receiptsOf(subject)
      await deleteKeys(subject.bucket.store, subject.bucket.bucket, [middle?.key ?? ''])
      return { ...found, says: /FAILURE \(6\): .*receipt/, holds: await subject.content() }
    }),
  },
  {
    fault: { name: 'a receipt is from the future', group: ofReceipts, without: alike, most: 'database' },
    cells: every(async subject => {
      const [newest] = await receiptsOf(subject)
      const future = new Date(Date.now() + 400 * DAY_MS).toISOString()
      const forged = { ...newest?.receipt, start: future, end: future, taken: future, previous: newest?.sha256 }
      await subject.bucket.put(newest?.key.replace(/[^/]*$/, `${future}.json`) ?? '', JSON.stringify(forged))
      return { ...found, says: /is dated \d{4}-.*, but was written at/ }
    }),
  },
  {
    fault: { name: 'somebody deletes everything in the bucket', group: ofReceipts, without: alike, most: 'media' },
    cells: every(async subject => {
      const { store, bucket } = subject.bucket
      await store.s3.send(
        new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }),
      )
      await subject.backUp()
      await sleep(1001)
      const at = store.clock.now().toISOString()
      await sleep(1001)
      const keys = (await subject.bucket.objects()).map(({ key }) => key)
      await deleteKeys(store, bucket, keys)
      onTestFinished(async () => {
        for (const { key, id } of await listVersions(store, bucket))
          await store.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: id }))
      })
      const bringBack = async () => {
        const back = await startAgent({ ...subject.env, FROM_BACKUP: at }, ['undelete'])
        expect(back.exitCode, back.stderr).toBe(0)
      }
      return {
        ...found,
        exit: 14,
        says: /holds no copy and no receipt/,
        end: bringBack,
        holds: await subject.content(),
      }
    }),
  },
]

function flip(body: Buffer): Buffer {
  const flipped = Buffer.from(body)
  flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1
  return flipped
}

/** A server whose certificate is one that the run trusts, and has expired. @returns the run's variables */
async function expired(): Promise<Record<string, string>> {
  const place = await folder()
  const files = ['-keyout', 'key.pem', '-out', 'cert.pem']
  const request = ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, '-days', '30']
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  await execa('faketime', ['-f', '-400d', ...request, ...names], { cwd: place })
  const [key, cert] = [await readFile(join(place, 'key.pem')), await readFile(join(place, 'cert.pem'))]
  const server = createServer({ key, cert })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    RCLONE_S3_ENDPOINT: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    NODE_EXTRA_CA_CERTS: join(place, 'cert.pem'),
  }
}
