import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { runPlaybook } from '../ansible/playbook.ts'
import { playbookPython } from '../ansible/yaml.ts'
import { openController } from '../awx/controller.ts'
import type { Definitions } from '../awx/definitions.ts'
import { writeFolder } from '../generate/folder.ts'
import { inventoryFiles } from '../inventory/files.ts'
import { type CredentialInputs, readCredentials } from '../launch/credentials.ts'
import { type AwxComparison, compareWithAwx } from '../plan/awx.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import { nearest } from '../report/problem.ts'

/** Arguments of `configure`. */
export interface ConfigureRequest {
  /** The credentials file: AWX credential → its inputs. */
  readonly credentials?: string | undefined
  /** Change nothing. */
  readonly check: boolean
  /** Remove objects that have our mark and are not in the config. */
  readonly removeSurplus: boolean
  /** Credentials whose secrets are written again. */
  readonly rotate: readonly string[]
}

/** Where `configure` reports what it finds and does. */
export interface ConfigureReport {
  /** Called with the comparison, before anything is changed. */
  readonly differences: (comparison: AwxComparison) => void
  /** Called with each line of progress. */
  readonly progress: (line: string) => void
}

/**
 * Make an AWX match the config: read everything once, and run the role `awx_objects` only for what differs. All
 * prerequisites are checked before anything is changed.
 *
 * @returns whether AWX now matches the config
 * @throws CommandFailure if something is missing, or AWX refuses a change
 */
export async function configure(
  all: Definitions,
  request: ConfigureRequest,
  environment: Readonly<Record<string, string | undefined>>,
  { differences: show, progress }: ConfigureReport,
): Promise<boolean> {
  const controller = openController(environment)
  const given = request.credentials === undefined ? {} : await readCredentials(request.credentials)
  refuseUnknown(all, request.rotate)
  const found = await compareWithAwx(all, controller)
  const missing = missingSecrets(all, found, request.rotate, given, environment)
  if (missing.length > 0) {
    throw new CommandFailure(
      exitCodes.usage,
      `${missing.length} secrets are missing, and nothing was changed:\n${missing.map(line => `    ${line}`).join('\n')}`,
      'add them to the file that --credentials names, or set the variables',
    )
  }
  show(found)
  const rotated = new Set(request.rotate)
  const wanted = changesOnly(all, found, rotated)
  const surplus = request.removeSurplus ? found.surplus : {}
  const removals = Object.values(surplus).reduce((sum, { length }) => sum + length, 0)
  const changes = found.differences.filter(({ sign }) => sign !== '-').length
  if (request.check || changes + removals + rotated.size === 0) return found.differences.length + rotated.size === 0

  progress(`making ${changes + removals + rotated.size} changes`)
  await apply(all, wanted, request, surplus, environment)
  const left = await compareWithAwx(all, controller)
  const done = left.differences.filter(({ sign }) => sign !== '-')
  if (done.length > 0) {
    show(left)
    throw new CommandFailure(
      exitCodes.findings,
      `${done.length} differences are left after configure-awx`,
      'see them above; run `npm run configure` again if somebody changes AWX at the same time',
    )
  }
  if (removals > 0) progress(`removed ${removals} objects that the config does not name`)
  if (rotated.size > 0) progress(`wrote the secrets of ${[...rotated].join(', ')} again`)
  return left.differences.length === 0
}

function refuseUnknown({ controller_credentials }: Definitions, rotate: readonly string[]): void {
  const known = controller_credentials.map(({ name }) => name)
  const unknown = rotate.find(name => !known.includes(name))
  if (unknown === undefined) return
  const near = nearest(unknown, known)
  throw new CommandFailure(
    exitCodes.usage,
    `there is no credential \`${unknown}\` to rotate`,
    near[0] ? `did you mean \`${near[0]}\`?` : `use one of: ${known.join('; ')}`,
  )
}

/** One line for each secret that AWX needs and that is missing in AWX, the file and the environment. */
function missingSecrets(
  { controller_credentials, controller_notifications }: Definitions,
  { differences }: AwxComparison,
  rotate: readonly string[],
  given: CredentialInputs,
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const found = new Map(
    differences.filter(({ kind }) => ['credential', 'notification template'].includes(kind)).map(d => [d.name, d]),
  )
  return [...controller_credentials, ...controller_notifications].flatMap(({ name, sources }) => {
    const difference = found.get(name)
    const isNew = difference?.sign === '+' || rotate.includes(name)
    return Object.entries(sources).flatMap(([input, variable]) => {
      const needed = isNew || difference?.fields.some(({ field }) => field.endsWith(`.${input}`))
      const value = given[name]?.[input] ?? environment[variable] ?? ''
      return needed && value === '' ? [`\`${name}\`: \`${input}\` (or the variable ${variable})`] : []
    })
  })
}

/** The definitions without those that AWX already matches. */
function changesOnly(all: Definitions, { differences, missingRoles }: AwxComparison, rotated: ReadonlySet<string>) {
  const named = (kind: string) =>
    new Set(differences.filter(d => d.kind === kind && d.sign !== '-').map(({ name }) => name))
  const only = <T extends { readonly name: string }>(objects: readonly T[], kind: string): readonly T[] => {
    const names = named(kind)
    return objects.filter(({ name }) => names.has(name))
  }
  const templates = only(all.controller_templates, 'job template')
  const workflows = named('workflow')
  const nodes = differences.filter(({ kind }) => kind === 'workflow node').map(({ name }) => name)
  const credentials = named('credential')
  return {
    ...all,
    controller_organizations: only(all.controller_organizations, 'organisation'),
    controller_labels: only(all.controller_labels, 'label'),
    controller_credential_types: only(all.controller_credential_types, 'credential type'),
    controller_credentials: all.controller_credentials.filter(({ name }) => credentials.has(name) || rotated.has(name)),
    controller_execution_environments: only(all.controller_execution_environments, 'execution environment'),
    controller_notifications: only(all.controller_notifications, 'notification template'),
    // A job template may name a playbook that AWX has not fetched yet.
    controller_projects: templates.length > 0 ? all.controller_projects : only(all.controller_projects, 'project'),
    controller_inventories: only(all.controller_inventories, 'inventory'),
    controller_inventory_sources: only(all.controller_inventory_sources, 'inventory source'),
    controller_templates: templates,
    controller_workflows: all.controller_workflows.filter(
      ({ name }) => workflows.has(name) || nodes.some(node => node.startsWith(`${name}: `)),
    ),
    controller_schedules: only(all.controller_schedules, 'schedule'),
    controller_teams: only(all.controller_teams, 'team'),
    controller_roles: missingRoles,
  } satisfies Definitions
}

async function apply(
  all: Definitions,
  wanted: Definitions,
  request: ConfigureRequest,
  surplus: AwxComparison['surplus'],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'backups-configure-'))
  const log: string[] = []
  try {
    // The organisation is passed even if it needs no change.
    const organization = all.controller_organizations[0]?.name
    const awx = {
      ansible_connection: 'local',
      ansible_python_interpreter: playbookPython,
      ...wanted,
      controller_organization: organization,
      controller_surplus: surplus,
    }
    await writeFolder(folder, inventoryFiles({ groups: { controller: ['awx'] }, hosts: { awx } }))
    const sources = [...wanted.controller_credentials, ...wanted.controller_notifications].flatMap(({ sources }) =>
      Object.values(sources),
    )
    const passed = Object.entries(environment).filter(
      ([name, value]) => value !== undefined && (name.startsWith('CONTROLLER_') || sources.includes(name)),
    ) as [string, string][]
    const { exitCode, output } = await runPlaybook(
      {
        playbook: 'playbooks/configure-awx.yml',
        inventory: join(folder, 'hosts.yml'),
        extraVars: {
          awx_objects_rotate: request.rotate,
          ...(request.credentials !== undefined && { awx_objects_credentials_file: resolve(request.credentials) }),
        },
        environment: Object.fromEntries(passed),
      },
      { log: line => log.push(line) },
    )
    if (exitCode === 0) return
    throw new CommandFailure(
      exitCodes.findings,
      `configure-awx failed:\n${failure(output)}`,
      'correct that, and run `npm run configure` again: it continues with what still differs',
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Ansible's message about the failed task. */
function failure(output: string): string {
  const lines = output.split('\n')
  const at = lines.findIndex(line => /^(fatal|failed|\[ERROR\])/.test(line))
  return lines
    .slice(at === -1 ? -20 : at, at === -1 ? undefined : at + 20)
    .map(line => `    ${line}`)
    .join('\n')
}
