import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { projectCopy } from '../../support/project-copy.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backups-commands-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Runs one of our commands as a user would, without a terminal. */
async function backups(...args: string[]) {
  const result = await execa('node', [join(projectRoot, 'tools/backups.js'), ...args], {
    cwd: projectRoot,
    reject: false,
  })
  return { code: result.exitCode, out: result.stdout, err: result.stderr }
}

/** A config file: production's, with the systems changed by an expression over `config`. */
async function configWith(name: string, change: string): Promise<string> {
  const file = join(folder, `${name}.ts`)
  await writeFile(
    file,
    `import production from ${JSON.stringify(join(projectRoot, 'backups.config.ts'))}
const config: any = structuredClone(production)
${change}
export default config
`,
  )
  return file
}

describe('a broken config ends with exit code 2 and one line for each problem', () => {
  it('validate prints it on standard output', async () => {
    const config = await configWith('twice', 'config.systems[2].bucket = config.systems[1].bucket')
    const { code, out } = await backups('validate', '--config', config)
    expect(code).toBe(2)
    expect(out.split('\n')).toEqual([
      `error ${config}: systems[2] (infra-db-production).bucket: \`im-infra-backup\` is the bucket of \`infra-db-development\` already → give each system a bucket of its own [bucket-used-twice]`,
    ])
  })

  it('as JSON', async () => {
    const config = await configWith('json', 'config.systems[1].keeep = 3')
    const { code, out } = await backups('validate', '--config', config, '--format', 'json')
    expect(code).toBe(2)
    expect(JSON.parse(out)).toEqual([
      {
        ruleId: 'shape',
        severity: 'error',
        location: { file: config, path: 'systems[1] (infra-db-development).keeep', line: 4 },
        message: 'there is no key `keeep` here',
        suggest: 'did you mean `keep`?',
      },
    ])
  })

  it("as GitHub's annotations", async () => {
    const config = await configWith('github', "config.systems[1].cluster = 'nowhere'")
    const { code, out } = await backups('validate', '--config', config, '--format', 'github')
    expect(code).toBe(2)
    expect(out).toMatch(
      /^::error file=.*github\.ts,line=4,title=cluster-unknown::systems\[1\] \(infra-db-development\)\.cluster: there is no cluster `nowhere`/,
    )
  })

  it('generate writes nothing', async () => {
    const config = await configWith('generate', 'config.systems[0].name = config.systems[1].name')
    const { code, err } = await backups('generate', '--config', config)
    expect(code).toBe(2)
    expect(err).toContain('name-used-twice')
    const { stdout } = await execa('git', ['status', '--porcelain', 'inventories'], { cwd: projectRoot })
    expect(stdout).toBe('')
  })

  it('a file that is not there', async () => {
    const { code, out } = await backups('validate', '--config', join(folder, 'nothing.ts'))
    expect(code).toBe(2)
    expect(out).toContain('config-unreadable')
  })

  it.each([
    ['syntax', 'const a = 1\nexport default {', /^error .*syntax\.ts(: line \d)?: cannot be read: /],
    [
      'throws',
      "const a = 1\nthrow new Error('no such day')\n",
      /^error .*throws\.ts: line 2: cannot be read: no such day → /,
    ],
    ['exits', 'process.exit(0)\n', /: ends the process that loads it \(exit code 0\) → /],
    ['aborts', 'process.abort()\n', /: ends the process that loads it \(SIGABRT\) → /],
    ['waits', 'await new Promise(() => {})\nexport default 1\n', /: waits for something that never happens/],
    ['promise', 'export default Promise.resolve({})\n', /: exports a promise; it must export the config itself → /],
    ['nothing', 'export const config = {}\n', /: has no default export → /],
    ['functions', 'export default { systems: () => [] }\n', /: does not export plain data: `systems` is a function → /],
    ['secret', "throw new Error('AGE-SECRET-KEY-1QQQQQQQQ')\n", /cannot be read: \*\*\* → /],
  ])('a file that cannot be used: %s', async (name, text, said) => {
    const config = join(folder, `${name}.ts`)
    await writeFile(config, text)
    const { code, out, err } = await backups('validate', '--config', config)
    expect(code, err).toBe(2)
    expect(out).toMatch(said)
    expect(out.split('\n')).toHaveLength(1)
  })
})

describe('a person gets no stack trace', () => {
  it.each([
    ['a missing file of credentials', ['status', '--credentials', '/nowhere/secrets.yml'], 3],
    ['a folder in place of the config', ['validate', '--config', '/'], 2],
    ['a config that may not be written beside', ['generate', '--config', '/proc/self/../../dev/null'], 2],
    ['a month that is none', ['report', '--month', '2026-13', '--credentials', '/nowhere'], 2],
  ])('for %s', async (_, args, expected) => {
    const { code, out, err } = await backups(...args)
    expect(out + err).not.toMatch(/^ {4}at /m)
    expect(err + out).toContain('→')
    expect(code, err).toBe(expected)
  })

  it('when its output is piped into a program that ends early', async () => {
    const config = await configWith('many', 'for (const system of config.systems) system.keep = -1')
    const node = `${process.execPath} ${join(projectRoot, 'tools/backups.js')}`
    const { stdout, stderr } = await execa(
      'bash',
      ['-c', `${node} validate --config ${config} --format json | true; echo "\${PIPESTATUS[0]}"`],
      { cwd: projectRoot },
    )
    expect(stderr).not.toMatch(/EPIPE|^ {4}at /m)
    expect(stdout).toBe('2')
  })

  it('where no Python can be found: exit code 3', async () => {
    const project = await projectCopy()
    onTestFinished(() => project.end())
    await rm(join(project.folder, '.venv'))
    const { exitCode, stderr } = await execa(process.execPath, [join(project.folder, 'tools/backups.js'), 'validate'], {
      cwd: project.folder,
      env: { PATH: join(project.folder, 'nothing') },
      extendEnv: false,
      reject: false,
    })
    expect(stderr).toContain('Ansible needs Python 3.11 or newer')
    expect(stderr).toContain('→ install it')
    expect([exitCode, /^ {4}at /m.test(stderr)]).toEqual([3, false])
  })
})

describe('usage', () => {
  it.each([
    [['validat'], 'there is no command `validat`', 'did you mean `validate`?'],
    [['confg'], 'there is no command `confg`', 'did you mean `configure`?'],
    [['generat', '--check'], 'there is no command `generat`', 'did you mean `generate`?'],
    [['validate', '--cofig', 'x'], 'Unknown argument: cofig', 'did you mean `--config`? See `backups validate --help`'],
    [['status', '--credentails', 'x'], 'Unknown argument: credentails', 'did you mean `--credentials`?'],
  ])('%j gets a suggestion', async (args, said, next) => {
    const { code, err } = await backups(...args)
    expect([code, err]).toEqual([2, expect.stringContaining(said)])
    expect(err).toContain(next)
  })

  it.each([[['nonsense']], [['validate', '--nonsense']], [['launch']], [['validate', '--format', 'xml']]])(
    '%j ends with exit code 2 and says where help is',
    async args => {
      const { code, err } = await backups(...args)
      expect(code).toBe(2)
      expect(err).toContain('--help')
    },
  )
})

describe('launch --local', () => {
  it('names the credential that is missing, exit code 3', async () => {
    const { code, err } = await backups('launch', 'Deploy backups: production', '--local')
    expect(code).toBe(3)
    expect(err).toContain('`Kubernetes: production`')
  })

  it('names the input that is missing, and prints no secret', async () => {
    const file = join(folder, 'credentials.yml')
    await writeFile(
      file,
      '{"Kubernetes: production": {"host": "https://10.213.7.10:1", "bearer_token": ""}, "Store: production": {"access_key_id": "a", "secret_access_key": "s3cr3t"}}',
    )
    const { code, err } = await backups('launch', 'Deploy backups: production', '--local', '--credentials', file)
    expect(code).toBe(3)
    expect(err).toContain('`Kubernetes: production` has no `bearer_token`')
    expect(err).not.toContain('s3cr3t')
  })

  it('suggests the nearest name of an unknown template, exit code 2', async () => {
    const { code, err } = await backups('launch', 'Back up: rancher', '--local')
    expect(code).toBe(2)
    expect(err).toContain('did you mean `Back up: rancher-server`?')
  })

  it('a survey answer that no choice allows, exit code 2', async () => {
    const { code, err } = await backups(
      'launch',
      'Back up: rancher-server',
      '--local',
      '--answer',
      'rancher_backup_ignore_window=maybe',
    )
    expect(code).toBe(2)
    expect(err).toContain('answer one of no, yes')
  })
})
