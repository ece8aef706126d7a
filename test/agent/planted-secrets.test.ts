import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { execa } from 'execa'
import { expect, onTestFinished, test } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'
import { folder, runAgent } from '../support/agent.ts'
import { freshBucket, storeEnvironment, type TestBucket } from '../support/bucket.ts'
import { commandLinesDuring, leaks, planted } from '../support/planted.ts'
import { startServer } from '../support/postgres.ts'

/** A dead-man's switch that keeps what it is sent. */
async function listener() {
  const bodies: string[] = []
  const receiver = createServer(async (request, answer) => {
    bodies.push(JSON.stringify(request.headers), Buffer.concat(await request.toArray()).toString())
    answer.end()
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void receiver.close())
  return { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`, bodies }
}

/** Every object of a bucket, unpacked; keys are part of the text. */
async function everythingIn({ objects, text, store, bucket }: TestBucket): Promise<string> {
  const { GetObjectCommand } = await import('@aws-sdk/client-s3')
  const all = await objects()
  const bodies = all.map(async ({ key }) => {
    if (!key.endsWith('.gz')) return `${key}\n${await text(key)}`
    const { Body } = await store.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
    return `${key}\n${gunzipSync((await Body?.transformToByteArray()) ?? '')}`
  })
  return (await Promise.all(bodies)).join('\n')
}

/** Every file under a folder, unpacked. */
async function everythingUnder(path: string): Promise<string> {
  const files = (await readdir(path, { recursive: true, withFileTypes: true })).filter(file => file.isFile())
  const bodies = files.map(async ({ parentPath, name }) => {
    const body = await readFile(join(parentPath, name))
    return `${name}\n${name.endsWith('.gz') ? gunzipSync(body) : body}`
  })
  return (await Promise.all(bodies)).join('\n')
}

test('no secret is in what the agent writes, sends, keeps, or starts programs with, whether a run succeeds or fails', async () => {
  const identity = (await execa('age-keygen')).stdout
  const recipient = /public key: (age1\w+)/.exec(identity)?.[1] ?? ''
  const heartbeat = await listener()
  const target = await freshBucket()
  const real = target.env.AWS_SECRET_ACCESS_KEY ?? ''
  const secrets: Record<string, string> = {
    'the key of the store': real,
    'a wrong key of the store': planted('store-key'),
    'the password of the database': planted('database'),
    'a wrong password of the database': planted('wrong-database'),
    'the password of a role': planted('role'),
    'the value of a Secret': planted('secret-value'),
    'the address of the heartbeat': planted('heartbeat'),
    'the private age key': /AGE-SECRET-KEY-\w+/.exec(identity)?.[0] ?? '',
    'a wrong private age key': `AGE-SECRET-KEY-1${planted('age').toUpperCase()}`,
  }
  const secret = (name: string) => secrets[name] ?? ''
  const server = await startServer({ password: secret('the password of the database') })
  await server.sql('postgres', `create role awx login password '${secret('the password of a role')}'`)
  const [volume, mounted, work] = [await folder(), await folder(), await folder()]
  await mkdir(join(mounted, 'awx-secret-key'))
  await writeFile(join(mounted, 'awx-secret-key', 'secret_key'), secret('the value of a Secret'))

  const beat = { BACKUP_HEARTBEAT_URL: `${heartbeat.url}/ping/${secret('the address of the heartbeat')}` }
  const unheard = { BACKUP_HEARTBEAT_URL: `http://127.0.0.1:1/${secret('the address of the heartbeat')}` }
  const place = { USE_RCLONE: 'yes', USE_RCLONE_BUCKET_AND_PATH: target.bucket }
  const database = { ...target.env, ...server.env, ...beat, ...place, BACKUP_SYSTEM: 'db', BACKUP_VOLUME: volume }
  const kit = {
    ...target.env,
    ...beat,
    BACKUP_SYSTEM: 'kit',
    S3_BUCKET_NAME: target.bucket,
    BACKUP_SCRATCH: work,
    BACKUP_KIT_NAMESPACE: 'awx',
    BACKUP_KIT_ITEMS: JSON.stringify([{ secret: 'awx-secret-key', key: 'secret_key' }]),
    BACKUP_KIT_FOLDER: mounted,
    BACKUP_RECIPIENTS: recipient,
    BACKUP_KIT_CONFIG: gzipSync('{}').toString('base64'),
  }
  const wrongStore = { AWS_SECRET_ACCESS_KEY: secret('a wrong key of the store') }
  const restore = { ...database, RESTORE_WORK: work, RESTORE_REPLACE: 'yes', FROM_BACKUP: 'LATEST' }
  const drill = { ...kit, BACKUP_IDENTITY: secret('the private age key') }
  const runs: [string, number, Record<string, string>, string[]][] = [
    ['a dump', 0, database, []],
    ['a dump with a wrong password', 3, { ...database, PGADMINPASS: secret('a wrong password of the database') }, []],
    ['a dump with a wrong key of the store', 3, { ...database, ...wrongStore }, []],
    ['a dump whose heartbeat is not heard', 0, { ...database, ...unheard }, []],
    ['a kit', 0, kit, []],
    [
      'a kit with a recipient that is a private key',
      2,
      { ...kit, BACKUP_RECIPIENTS: secret('the private age key') },
      [],
    ],
    ['a drill of the kit', 0, drill, ['drill']],
    ['a drill with a wrong key', 16, { ...drill, BACKUP_IDENTITY: secret('a wrong private age key') }, ['drill']],
    ['a verification', 0, database, ['verify']],
    ['a restore', 0, restore, ['restore']],
    ['a restore with a wrong key of the store', 3, { ...restore, ...wrongStore }, ['restore']],
  ]
  const texts: Record<string, string> = {}
  const ended: Record<string, number | undefined> = {}
  texts['a command line'] = await commandLinesDuring(async () => {
    for (const [name, , env, args] of runs) {
      const run = await runAgent(env, args)
      ended[name] = run.code
      texts[`the log of ${name}`] = run.log
      texts[`the termination log of ${name}`] = run.termination
      texts[`the result of ${name}`] = JSON.stringify(run.result)
    }
  })
  expect(ended).toEqual(Object.fromEntries(runs.map(([name, code]) => [name, code])))
  expect(heartbeat.bodies.join()).toContain('SUCCESS')
  texts['the heartbeats'] = heartbeat.bodies.join('\n')
  texts['the bucket'] = await everythingIn(target)
  texts['the backup volume'] = await everythingUnder(volume)
  texts['the scratch space'] = await everythingUnder(work)
  Object.assign(texts, await shownOf(target, secrets))
  // The search finds what is there.
  expect(texts['the bucket']).toContain('CREATE ROLE awx')
  expect(leaks({ key: real }, { all: Buffer.from(`x${real} `).toString('base64') })).toEqual(['key in all'])
  expect(leaks(secrets, texts)).toEqual([])
})

/** What a person sees of the copies: status, copies and report, from a credentials file with every kind of secret. */
async function shownOf(target: TestBucket, secrets: Record<string, string>): Promise<Record<string, string>> {
  const path = await folder()
  const config = join(path, 'backups.config.ts')
  const {
    RCLONE_S3_ENDPOINT: endpoint = '',
    AWS_ACCESS_KEY_ID: access_key_id,
    AWS_SECRET_ACCESS_KEY,
  } = storeEnvironment()
  await writeFile(
    config,
    `import production from ${JSON.stringify(join(projectRoot, 'backups.config.ts'))}
export default {
  ...production,
  store: { ...production.store, endpoint: ${JSON.stringify(endpoint)} },
  systems: production.systems.filter(s => s.name === 'infra-db-production').map(s => ({ ...s, bucket: '${target.bucket}' })),
}
`,
  )
  for (const name of ['a token of Kubernetes', 'an ssh key', 'a token of AWX'])
    secrets[name] = planted(name.replaceAll(' ', '-'))
  const credentials = join(path, 'secrets.yml')
  await writeFile(
    credentials,
    JSON.stringify({
      'Store: production': { access_key_id, secret_access_key: AWS_SECRET_ACCESS_KEY },
      'Kubernetes: production': { host: 'https://127.0.0.1:1', bearer_token: secrets['a token of Kubernetes'] },
      'Host: rancher-server': { username: 'backup', ssh_key_data: secrets['an ssh key'] },
    }),
    { mode: 0o600 },
  )
  const month = new Date().toISOString().slice(0, 7)
  const commands = [
    ['status'],
    ['status', '--format', 'json'],
    ['copies', 'infra-db-production'],
    ['report', '--month', month, '--to', join(path, 'report')],
    ['plan', '--only', 'buckets'],
    ['launch', 'Verify: infra-db-production', '--local', '--check'],
  ]
  const shown: Record<string, string> = {}
  for (const args of commands) {
    const { all } = await execa(
      'node',
      [join(projectRoot, 'tools/backups.js'), ...args, '--config', config, '--credentials', credentials],
      {
        reject: false,
        all: true,
        env: {
          XDG_CACHE_HOME: join(path, 'cache'),
          ANSIBLE_VERBOSITY: '3',
          CONTROLLER_HOST: 'http://127.0.0.1:1',
          CONTROLLER_OAUTH_TOKEN: secrets['a token of AWX'] ?? '',
        },
      },
    )
    shown[`the output of ${args.join(' ')}`] = all
  }
  shown['the report'] =
    `${await readFile(join(path, 'report.json'), 'utf8')}${await readFile(join(path, 'report.html'), 'utf8')}`
  shown['what the commands remember'] = await everythingUnder(join(path, 'cache'))
  return shown
}
