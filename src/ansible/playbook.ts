import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import type { Problem } from '../report/problem.ts'
import { ensureVenv, projectRoot } from './venv.ts'
import { ansibleYaml, literal } from './yaml.ts'

/** What `ansible-playbook` is to do. Paths are relative to the project's root, or absolute. */
export interface PlaybookRun {
  readonly playbook: string
  /** Default: what `ansible.cfg` says, which is production's. */
  readonly inventory?: string
  readonly limit?: string
  readonly tags?: readonly string[]
  /** Data, never evaluated as templates. */
  readonly extraVars?: Readonly<Record<string, unknown>>
  /** Changes nothing, and says what would change. */
  readonly check?: boolean
  /** The credentials, as AWX injects them. Such variables of this process itself are not passed on. */
  readonly environment?: Readonly<Record<string, string>>
  readonly privateKeyFile?: string
  readonly remoteUser?: string
}

/** The counts of one host in the play's recap. */
export interface HostRecap {
  readonly ok: number
  readonly changed: number
  readonly unreachable: number
  readonly failed: number
  readonly skipped: number
  readonly rescued: number
  readonly ignored: number
}

/** How a play ended. */
export interface PlaybookResult {
  /** ansible-playbook's own: 0 success, 2 a task failed, 4 a host unreachable or a playbook that does not parse, … */
  readonly exitCode: number | undefined
  /** The signal that ended it, if one did. */
  readonly signal: string | undefined
  readonly output: string
  /** By host; empty when no play ran. */
  readonly recap: Readonly<Record<string, HostRecap>>
}

interface Watch {
  /** Takes the play's output, one line at a time, as it comes. */
  readonly log: (line: string) => void
  /** Ends the play: SIGTERM, and SIGKILL ten seconds later. */
  readonly signal?: AbortSignal
}

/**
 * Runs a playbook to its end, with the project's own Ansible (which is installed when it is missing).
 *
 * A play that fails is a result, not an error: look at `exitCode`.
 *
 * @throws VenvError
 */
export async function runPlaybook(run: PlaybookRun, { log, signal }: Watch): Promise<PlaybookResult> {
  const bin = await ensureVenv(log)
  // Extra variables go by file: a command line is open to every user of the machine.
  const folder = await mkdtemp(join(tmpdir(), 'backups-play-'))
  try {
    const extraVars = join(folder, 'extra-vars.yml')
    await writeFile(extraVars, ansibleYaml(literal(run.extraVars ?? {})), { mode: 0o600 })
    const play = execa(
      join(bin, 'ansible-playbook'),
      [
        run.playbook,
        ...option('--inventory', run.inventory),
        ...option('--limit', run.limit),
        ...option('--tags', run.tags?.join(',')),
        ...option('--private-key', run.privateKeyFile),
        ...option('--user', run.remoteUser),
        ...option('--extra-vars', run.extraVars && `@${extraVars}`),
        ...(run.check ? ['--check', '--diff'] : []),
      ],
      {
        ...processOptions(bin, run.environment),
        all: true,
        stdin: 'ignore',
        forceKillAfterDelay: 10_000,
        ...(signal && { cancelSignal: signal }),
      },
    )
    for await (const line of play.iterable({ from: 'all' })) log(line)
    const { exitCode, signal: endedBy, all } = await play
    return { exitCode, signal: endedBy, output: all, recap: readRecap(all) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A host's variables, and every group's hosts, as Ansible resolves them for the playbooks. */
export interface ReadInventory {
  readonly hostVariables: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly groups: Readonly<
    Record<string, { readonly hosts?: readonly string[]; readonly children?: readonly string[] }>
  >
}

// Of 2,000 hosts at once ansible-inventory takes a gigabyte, and twice as long.
const HOSTS_AT_ONCE = 500

/**
 * Reads an inventory with `ansible-inventory`, the program that AWX reads it with too.
 *
 * @param hosts of the inventory; if they are many, it is read in parts. Hosts that are not among them are read, too.
 * @throws Error with ansible-inventory's message, also for what it would only warn about: a source it cannot parse
 * @throws VenvError
 */
export async function ansibleInventory(
  inventory: string,
  hosts: readonly string[] = [],
  log: (line: string) => void = () => {},
): Promise<ReadInventory> {
  const bin = await ensureVenv(log)
  const last = Math.max(0, Math.ceil(hosts.length / HOSTS_AT_ONCE) - 1)
  const parts = Array.from({ length: last }, (_, n) => hosts.slice(n * HOSTS_AT_ONCE, (n + 1) * HOSTS_AT_ONCE))
  const others = ['all', ...parts.flat().map(host => `!${host}`)]
  const hostVariables: Record<string, Record<string, unknown>> = {}
  const groups: Record<string, { hosts: string[]; children: string[] }> = {}
  for (const part of [...parts, others]) {
    const { _meta, ...found } = await readPart(bin, inventory, part)
    Object.assign(hostVariables, _meta.hostvars)
    for (const [name, { hosts = [], children = [] }] of Object.entries(found)) {
      const group = groups[name] ?? { hosts: [], children: [] }
      groups[name] = {
        hosts: [...group.hosts, ...hosts],
        children: [...new Set([...group.children, ...children])],
      }
    }
  }
  return { hostVariables, groups }
}

type Listed = Record<string, { hosts?: string[]; children?: string[] }> & {
  _meta: { hostvars: Record<string, Record<string, unknown>> }
}

/** What `ansible-inventory` says of the hosts that some patterns name. */
async function readPart(bin: string, inventory: string, patterns: readonly string[]): Promise<Listed> {
  const folder = await mkdtemp(join(tmpdir(), 'backups-inventory-'))
  try {
    const limit = join(folder, 'hosts')
    await writeFile(limit, `${patterns.join('\n')}\n`)
    const { failed, stdout, stderr } = await execa(
      join(bin, 'ansible-inventory'),
      [
        ...['--inventory', inventory, '--playbook-dir', join(projectRoot, 'playbooks')],
        ...['--list', '--limit', `@${limit}`],
      ],
      processOptions(bin, { ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED: 'true' }),
    )
    if (failed) throw new Error(`ansible-inventory cannot read ${inventory}:\n${stderr.trim()}`)
    return JSON.parse(stdout) as Listed
  } finally {
    await rm(folder, { recursive: true })
  }
}

/**
 * What is wrong with a playbook before it runs: YAML that does not parse, unknown roles, modules and keywords.
 *
 * @returns a problem of rule `playbook-syntax`, or none
 * @throws VenvError
 */
export async function syntaxCheck(playbook: string, log: (line: string) => void = () => {}): Promise<Problem[]> {
  const bin = await ensureVenv(log)
  const { failed, stderr, shortMessage } = await execa(
    join(bin, 'ansible-playbook'),
    ['--syntax-check', '--inventory', 'localhost,', playbook],
    processOptions(bin),
  )
  if (!failed) return []
  const lines = stderr.split('\n').map(line => line.trim())
  const message = lines.find(line => /^(\[ERROR\]:|ERROR!)/.test(line))?.replace(/^\S+\s*/, '') ?? shortMessage
  const origin = lines.map(line => /^Origin: (.+?):(\d+)(?::\d+)?$/.exec(line)).find(match => match !== null)
  return [
    {
      ruleId: 'playbook-syntax',
      severity: 'error',
      location: {
        file: origin?.[1] ?? playbook,
        path: origin?.[2] ? `line ${origin[2]}` : '',
        ...(origin?.[2] && { line: Number(origin[2]) }),
      },
      message: message ?? 'does not parse',
      suggest: `run ansible-playbook --syntax-check ${playbook} to see the place`,
    },
  ]
}

/** The environment of every program of Ansible: the project's configuration, and nothing of the user's own. */
export function ansibleEnvironment(
  bin: string,
  credentials: Readonly<Record<string, string>> = {},
): Record<string, string> {
  // A play reads its credentials here. What a shell happens to hold for another cluster or store must not reach it; nor
  // does AWS_CA_BUNDLE, which rclone 1.60 fails on. With ANSIBLE_VERBOSITY a person asks for more words.
  const foreign = /^(ANSIBLE_(?!VERBOSITY$)|AWS_|AZURE_|CONTROLLER_|TOWER_|K8S_AUTH_|KUBECONFIG$|PYTHON|VIRTUAL_ENV$)/
  const own = Object.entries(process.env).filter(([name]) => !foreign.test(name)) as [string, string][]
  const home = join(projectRoot, '.ansible')
  return {
    ...Object.fromEntries(own),
    PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`,
    LC_ALL: 'C.UTF-8',
    ANSIBLE_CONFIG: join(projectRoot, 'ansible.cfg'),
    ANSIBLE_HOME: home,
    ANSIBLE_COLLECTIONS_PATH: join(home, 'collections'),
    // A socket's path has to be short, and the project's may be long.
    ANSIBLE_SSH_CONTROL_PATH_DIR: join(homedir(), '.ansible', 'cp'),
    ANSIBLE_NOCOLOR: 'true',
    // Without a terminal Python keeps what a long task says until the task has ended.
    PYTHONUNBUFFERED: '1',
    ...credentials,
  }
}

function processOptions(bin: string, credentials?: Readonly<Record<string, string>>) {
  return { cwd: projectRoot, env: ansibleEnvironment(bin, credentials), extendEnv: false, reject: false } as const
}

function option(name: string, value: string | undefined): string[] {
  return value === undefined || value === '' ? [] : [name, value]
}

function readRecap(output: string): Record<string, HostRecap> {
  const recap: Record<string, HostRecap> = {}
  const after = output.slice(output.lastIndexOf('PLAY RECAP'))
  const counts =
    /^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)\s+skipped=(\d+)\s+rescued=(\d+)\s+ignored=(\d+)/gm
  for (const [, host = '', ...numbers] of after.matchAll(counts)) {
    const [ok = 0, changed = 0, unreachable = 0, failed = 0, skipped = 0, rescued = 0, ignored = 0] =
      numbers.map(Number)
    recap[host] = { ok, changed, unreachable, failed, skipped, rescued, ignored }
  }
  return recap
}
