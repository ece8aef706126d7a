import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { expect, onTestFinished, test, vi } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'

vi.setConfig({ testTimeout: 300_000 })

const tool = join(projectRoot, 'tools/backups.js')

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'backups-init-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

async function backups(...args: string[]) {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [tool, ...args], {
    cwd: projectRoot,
    reject: false,
    stdin: 'ignore',
  })
  return { code: exitCode, out: stdout, err: stderr }
}

const recipient = 'age16fhey6jtyffph0mcgkvu8qeznhv0tvlyq6axagdzy5rke6hz7f7snmdm56'
const flags = {
  repository: 'https://github.example/x/backups.git',
  'agent-image': 'registry.example/agent:1.2.3',
  store: 'https://s3.example',
  webhook: 'https://hooks.example/x',
  api: 'https://cluster.example:6443',
  namespace: 'shop',
  bucket: 'shop-dumps',
}
const options = (given: Record<string, string>) =>
  Object.entries(given).flatMap(([name, value]) => [`--${name}`, value])

/** Generates beside a config and validates it: nothing is wrong. */
async function expectValid(config: string): Promise<string> {
  expect((await backups('generate', '--config', config)).code).toBe(0)
  const { code, out, err } = await backups('validate', '--config', config)
  expect([code, err]).toEqual([0, expect.stringContaining(' 0 errors')])
  return out
}

test('in a terminal it asks, says what is wrong with an answer, and writes a config that validates', async () => {
  const config = join(await folder(), 'backups.config.ts')
  // By `script`, the command has a terminal of its own.
  const child = execa('script', ['-qec', `${process.execPath} ${tool} init --config ${config}`, '/dev/null'], {
    cwd: projectRoot,
    reject: false,
    env: { TERM: 'xterm' },
    stdin: 'pipe',
  })
  let shown = ''
  child.stdout.on('data', chunk => {
    shown += chunk
  })
  const answers: [question: string, answer: string, complaint?: string][] = [
    ['Organisation on AWX', ''],
    ['git repository', 'not an address', 'write an address that git can fetch from'],
    ['git repository', `${'\u007f'.repeat(14)}${flags.repository}`],
    ["agent's image", flags['agent-image']],
    ['S3 store', flags.store],
    ['failed jobs', flags.webhook],
    ['Name of the Kubernetes cluster', ''],
    ['its API', flags.api],
    ['Namespace of the first database', flags.namespace],
    ["PostgreSQL server's Service", ''],
    ['admin user', ''],
    ['Secret with its password', ''],
    ['Key in that Secret', ''],
    ['Bucket for its dumps', flags.bucket],
    ['Public age key', recipient],
  ]
  for (const [question, answer, complaint] of answers) {
    await vi.waitFor(() => expect(shown).toContain(question), { timeout: 60_000 })
    const before = shown.length
    child.stdin.write(`${answer}\r`)
    await vi.waitFor(() => expect(shown.slice(before)).toMatch(complaint ?? /✔|√|written/), { timeout: 60_000 })
    // It puts the refused answer back after it has said what is wrong.
    if (complaint) await sleep(300)
  }
  const { exitCode } = await child
  expect(exitCode, shown).toBe(0)
  expect(shown).toContain(`written ${config}`)
  // The kit keeps the Secret of the database.
  expect(await expectValid(config)).toBe('')
})

test('without a terminal the options are the answers, and a file that is there is never overwritten', async () => {
  const config = join(await folder(), 'new', 'backups.config.ts')
  const made = await backups('init', '--config', config, ...options(flags))
  expect([made.code, made.out]).toEqual([0, `written ${config}`])
  const text = await readFile(config, 'utf8')
  expect(await expectValid(config)).toContain('[secret-not-kept]')
  const again = await backups('init', '--config', config, ...options(flags))
  expect([again.code, again.err]).toEqual([2, expect.stringContaining('is there already')])
  expect(await readFile(config, 'utf8')).toBe(text)
})

test('without a terminal, everything that is missing or wrong is said at once, and nothing is written', async () => {
  const config = join(await folder(), 'backups.config.ts')
  const { store: _, ...others } = flags
  const { code, err } = await backups('init', '--config', config, ...options({ ...others, bucket: 'a..b' }))
  expect(code).toBe(2)
  expect(err).toContain('there is no terminal')
  expect(err).toContain('--store (Address of the S3 store): write an answer')
  expect(err).toContain('--bucket (Bucket for its dumps): write a bucket name that S3 accepts')
  await expect(readFile(config)).rejects.toThrow()
})

test("a config beside production's own does not overwrite its inventories", async () => {
  const config = join(projectRoot, `beside-${process.pid}.config.ts`)
  await writeFile(config, "export { default } from './backups.config.ts'\n")
  onTestFinished(() => rm(config))
  const { code, err } = await backups('generate', '--config', config)
  expect([code, err]).toEqual([2, expect.stringContaining('move it into a folder of its own')])
})
