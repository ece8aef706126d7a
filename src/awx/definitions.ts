import type { Config } from '../config/index.ts'
import { groupName } from '../inventory/inventory.ts'
import { Unsafe } from '../inventory/unsafe.ts'
import { rrule } from '../schedule/index.ts'
import { kindOf } from '../systems/index.ts'
import type { CredentialUse, Question, TemplateUse } from '../systems/kind.ts'

/** The label on every object of ours that AWX can label; what bears it and is not in the config is surplus. */
export const label = 'fragalysis-backups'

/** A job template as `awx.awx.job_template` takes it. */
export interface JobTemplate {
  readonly name: string
  readonly description: string
  readonly organization: string
  readonly project: string
  readonly inventory: string
  readonly execution_environment: string
  readonly playbook: string
  readonly limit: string
  readonly credentials: readonly string[]
  readonly timeout: number
  readonly labels: readonly string[]
  readonly allow_simultaneous: boolean
  readonly job_slice_count: number
  readonly extra_vars: Readonly<Record<string, unknown>>
  readonly ask_variables_on_launch: boolean
  readonly survey_enabled: boolean
  readonly survey_spec?: { readonly name: string; readonly description: string; readonly spec: readonly Question[] }
}

/** A credential's place on AWX: its name and type. Its secret inputs come from a credentials file or AWX itself. */
export interface Credential {
  readonly name: string
  readonly credential_type: string
  readonly organization: string
  readonly description: string
}

/** A schedule as `awx.awx.schedule` takes it. */
export interface Schedule {
  readonly name: string
  readonly description: string
  readonly unified_job_template: string
  readonly organization: string
  readonly rrule: string
  readonly enabled: boolean
  readonly extra_data?: Readonly<Record<string, unknown>>
}

/** A credential type of our own; `injectors` hold Jinja templates that AWX fills, not Ansible. */
export interface CredentialType {
  readonly name: string
  readonly kind: 'cloud'
  readonly description: string
  readonly inputs: {
    readonly fields: readonly { id: string; label: string; type: 'string'; secret?: boolean }[]
    readonly required: readonly string[]
  }
  readonly injectors: { readonly env: Readonly<Record<string, Unsafe>> }
}

/** Everything AWX holds for the backups, as variables of the inventory host `awx`. */
export interface Definitions {
  readonly controller_organizations: readonly object[]
  readonly controller_credential_types: readonly CredentialType[]
  readonly controller_credentials: readonly Credential[]
  readonly controller_execution_environments: readonly object[]
  readonly controller_projects: readonly object[]
  readonly controller_inventories: readonly object[]
  readonly controller_inventory_sources: readonly object[]
  readonly controller_notifications: readonly object[]
  readonly controller_templates: readonly JobTemplate[]
  readonly controller_schedules: readonly Schedule[]
}

const names = {
  project: 'Fragalysis backups',
  inventory: 'Fragalysis backups',
  executionEnvironment: 'Fragalysis backups',
  webhook: 'Fragalysis backups',
}

/** AWX's definitions for a config whose inventory lies in `inventories/<environment>/`. */
export function definitions(config: Config, environment: string): Definitions {
  const organization = config.organisation
  const uses = templateUses(config)
  return {
    controller_organizations: [{ name: organization }],
    controller_credential_types: [storeCredentialType],
    controller_credentials: credentials(uses, organization),
    controller_execution_environments: [
      { name: names.executionEnvironment, image: config.executionEnvironment, pull: 'missing', organization },
    ],
    controller_projects: [
      {
        name: names.project,
        description: 'The playbooks and inventories of the backups',
        organization,
        scm_type: 'git',
        scm_url: config.repository.url,
        scm_branch: config.repository.branch,
        scm_clean: true,
        scm_update_on_launch: true,
        default_environment: names.executionEnvironment,
      },
    ],
    controller_inventories: [{ name: names.inventory, description: 'Each backup a host', organization }],
    controller_inventory_sources: [
      {
        name: names.inventory,
        inventory: names.inventory,
        organization,
        source: 'scm',
        source_project: names.project,
        source_path: `inventories/${environment}/hosts.yml`,
        overwrite: true,
        overwrite_vars: true,
        update_on_launch: true,
      },
    ],
    controller_notifications: [
      {
        name: names.webhook,
        description: 'Says which job started, failed or succeeded',
        organization,
        notification_type: 'webhook',
        notification_configuration: {
          url: config.notifications.webhook,
          http_method: 'POST',
          headers: { 'Content-Type': 'application/json' },
        },
      },
    ],
    controller_templates: uses.map(use => template(use, organization)),
    controller_schedules: schedules(config),
  }
}

/** Every job template the config asks for: one deployment a cluster, then what each system's kind wants. */
function templateUses(config: Config): TemplateUse[] {
  const deployments = config.clusters
    .filter(({ name }) => config.systems.some(system => kindOf(system).cluster(system) === name))
    .map(
      ({ name }): TemplateUse => ({
        name: `Deploy backups: ${name}`,
        description: `Put the CronJobs of the ${name} cluster's backups in place, with their volumes and secrets; changes only what differs`,
        playbook: 'playbooks/deploy-backups.yml',
        limit: groupName('cluster', name),
        credentials: [
          { name: `Kubernetes: ${name}`, type: 'OpenShift or Kubernetes API Bearer Token' },
          { name: `Store: ${name}`, type: storeCredentialType.name as 'S3 store' },
        ],
        survey: [],
        timeout: 1800,
        scheduled: false,
      }),
    )
  return [...deployments, ...config.systems.flatMap(system => kindOf(system).templates(system))]
}

function template(use: TemplateUse, organization: string): JobTemplate {
  return {
    name: use.name,
    description: use.description,
    organization,
    project: names.project,
    inventory: names.inventory,
    execution_environment: names.executionEnvironment,
    playbook: use.playbook,
    limit: use.limit,
    credentials: use.credentials.map(c => c.name),
    timeout: use.timeout,
    labels: [label],
    allow_simultaneous: false,
    job_slice_count: 1,
    extra_vars: {},
    // A schedule may answer the survey only where the template asks for variables.
    ask_variables_on_launch: use.survey.length > 0 && use.scheduled,
    survey_enabled: use.survey.length > 0,
    ...(use.survey.length > 0 && { survey_spec: { name: '', description: '', spec: use.survey } }),
  }
}

function credentials(uses: readonly TemplateUse[], organization: string): Credential[] {
  const all = new Map<string, CredentialUse>()
  for (const use of uses) for (const credential of use.credentials) all.set(credential.name, credential)
  return [...all.values()].map(({ name, type }) => ({
    name,
    credential_type: type,
    organization,
    description: `Its values come from the credentials file or AWX itself, never from the config`,
  }))
}

function schedules(config: Config): Schedule[] {
  return config.systems.flatMap(system =>
    kindOf(system)
      .templates(system)
      .filter(use => use.scheduled)
      .map(use => ({
        name: use.name,
        description: use.description,
        unified_job_template: use.name,
        organization: config.organisation,
        rrule: rrule(system.schedule),
        enabled: true,
        ...(use.survey.length > 0 && {
          extra_data: Object.fromEntries(use.survey.map(question => [question.variable, question.default])),
        }),
      })),
  )
}

/** The store's keys, injected under the names that every S3 tool reads. */
export const storeCredentialType: CredentialType = {
  name: 'S3 store',
  kind: 'cloud',
  description: "The keys of a bucket's owner at the S3 store",
  inputs: {
    fields: [
      { id: 'access_key_id', label: 'Access key id', type: 'string' },
      { id: 'secret_access_key', label: 'Secret access key', type: 'string', secret: true },
    ],
    required: ['access_key_id', 'secret_access_key'],
  },
  injectors: {
    env: {
      AWS_ACCESS_KEY_ID: new Unsafe('{{ access_key_id }}'),
      AWS_SECRET_ACCESS_KEY: new Unsafe('{{ secret_access_key }}'),
    },
  },
}
