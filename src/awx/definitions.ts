import type { Config } from '../config/index.ts'
import { groupName } from '../kinds/groups.ts'
import { kindOf } from '../kinds/index.ts'
import type { CredentialUse, Question, TemplateUse } from '../kinds/kind.ts'
import { rrule } from '../schedule/index.ts'
import {
  controllerCredentialType,
  heartbeatCredentialType,
  keyCredentialType,
  kubernetesCredentialType,
  machineCredentialType,
  managedCredentialTypes,
  secondStoreCredentialType,
  storeCredentialType,
} from './credential-types.ts'
import { mark, marked } from './mark.ts'
import { notificationTemplates } from './notifications.ts'
import { recoveryNodes, type StagedUse } from './recovery.ts'
import { reportSchedules, reportUses } from './report.ts'
import type {
  Credential,
  Defaults,
  Definitions,
  JobTemplate,
  Notifies,
  RoleGrant,
  Schedule,
  SurveyQuestion,
  Workflow,
} from './vocabulary.ts'
import { wellAgain, wellAgainSchedule, wellAgainUses } from './well-again.ts'

export type * from './vocabulary.ts'

/** AWX's definitions for a config; AWX reads its inventory from `inventories/production/`. */
export function definitions(config: Config): Definitions {
  const organization = config.organisation
  // Execution environments and, for a lookup by name, much else share one space of names on an AWX.
  const name = `${organization} backups`
  const staged = stagedUses(config)
  const uses = [...staged.map(({ use }) => use), ...reportUses(config), ...wellAgainUses]
  const notifications = notificationTemplates(config, name)
  const told = notifications.map(template => template.name)
  const workflows = recoveries(config, staged, told)
  return {
    controller_mark: mark,
    controller_defaults: defaults,
    controller_organizations: [{ name: organization }],
    controller_labels: [{ name: mark, organization }],
    controller_credential_types: ownCredentialTypes(uses).map(type => ({
      ...type,
      description: marked(type.description),
    })),
    controller_credentials: credentials(uses, config),
    controller_execution_environments: [
      {
        name,
        description: marked('What the playbooks run in: the stock image of AWX'),
        image: config.executionEnvironment,
        pull: 'missing',
        organization,
      },
    ],
    controller_projects: [
      {
        name,
        description: marked('The playbooks and inventories of the backups'),
        organization,
        scm_type: 'git',
        scm_url: config.repository.url,
        scm_branch: config.repository.branch,
        scm_clean: true,
        scm_update_on_launch: true,
        default_environment: name,
      },
    ],
    controller_inventories: [{ name, description: marked('Each backup a host'), organization }],
    controller_inventory_sources: [
      {
        name,
        description: marked('The inventory in the project, read again before every job'),
        inventory: name,
        organization,
        source: 'scm',
        source_project: name,
        source_path: 'inventories/production/hosts.yml',
        overwrite: true,
        overwrite_vars: true,
        update_on_launch: true,
      },
    ],
    controller_notifications: notifications,
    controller_templates: uses.map(use => template(use, config, told)),
    controller_workflows: workflows,
    controller_schedules: [...schedules(config), ...reportSchedules(config), wellAgainSchedule(organization)],
    controller_teams: [
      {
        name: operators,
        description: marked('May launch every job of the backups, approve the steps of a recovery, and read the rest'),
        organization,
      },
    ],
    controller_roles: grants(organization, name, uses, workflows),
  }
}

/** The team that launches and restores; membership is given on AWX or by its directory. */
const operators = 'Backup operators'

/** A launch asks for nothing but a survey, and cannot change how the playbook runs. */
const asksNothing = Object.fromEntries(
  [
    'credential',
    'diff_mode',
    'execution_environment',
    'forks',
    'instance_groups',
    'inventory',
    'job_slice_count',
    'job_type',
    'labels',
    'limit',
    'scm_branch',
    'skip_tags',
    'tags',
    'timeout',
    // Otherwise whoever may launch could set any variable, such as the image. Survey answers do not need it.
    'variables',
    'verbosity',
  ].map(prompt => [`ask_${prompt}_on_launch`, false]),
)

const defaults: Defaults = {
  templates: {
    ...asksNothing,
    become_enabled: false,
    diff_mode: false,
    force_handlers: false,
    forks: 0,
    host_config_key: '',
    job_tags: '',
    job_type: 'run',
    prevent_instance_group_fallback: false,
    scm_branch: '',
    skip_tags: '',
    start_at_task: '',
    use_fact_cache: false,
    verbosity: 0,
    webhook_service: '',
  },
  workflows: {
    ask_inventory_on_launch: false,
    ask_labels_on_launch: false,
    ask_limit_on_launch: false,
    ask_scm_branch_on_launch: false,
    ask_skip_tags_on_launch: false,
    ask_tags_on_launch: false,
    ask_variables_on_launch: false,
    survey_enabled: false,
  },
  projects: {
    allow_override: false,
    scm_delete_on_update: false,
    scm_refspec: '',
    scm_track_submodules: false,
    scm_update_cache_timeout: 0,
    // A repository of this size is fetched in seconds; configure-awx waits for that, and 0 would be for ever.
    timeout: 300,
  },
  inventory_sources: {
    enabled_value: '',
    enabled_var: '',
    host_filter: '',
    limit: '',
    scm_branch: '',
    timeout: 0,
    update_cache_timeout: 0,
    verbosity: 1,
  },
}

/** Every job template that the config needs: one deployment per cluster, then those of each system's kind. */
function stagedUses(config: Config): StagedUse[] {
  const used = new Set([...config.systems.map(system => kindOf(system).cluster(system)), config.statusService?.cluster])
  const deployments = config.clusters
    .filter(({ name }) => used.has(name))
    .map(
      ({ name }): StagedUse => ({
        stage: 'deployment',
        use: {
          name: `Deploy backups: ${name}`,
          description: `Create or update the backup CronJobs of the ${name} cluster, with their volumes and Secrets; changes only what differs`,
          playbook: 'playbooks/deploy-backups.yml',
          limit: groupName('cluster', name),
          credentials: [
            { name: `Kubernetes: ${name}`, type: kubernetesCredentialType },
            { name: `Store: ${name}`, type: 'S3 store' },
          ],
          survey: [],
          timeout: 1800,
          scheduled: false,
          recovery: { answers: {} },
        },
      }),
    )
  const ofSystems = config.systems.flatMap(system =>
    kindOf(system)
      .templates(system)
      .map((use): StagedUse => ({ use, stage: kindOf(system).stage(system) })),
  )
  return [...deployments, ...ofSystems]
}

/**
 * Notifications are sent once, for the job and not for its project or organisation too; and for failures alone, unless
 * the config asks for more: people stop reading what comes every hour.
 */
function notifies(names: readonly string[], { also = [] }: Config['notifications']): Notifies {
  return {
    notification_templates_started: also.includes('started') ? names : [],
    notification_templates_success: also.includes('succeeded') ? names : [],
    notification_templates_error: names,
  }
}

function template(use: TemplateUse, config: Config, told: readonly string[]): JobTemplate {
  const name = `${config.organisation} backups`
  return {
    name: use.name,
    description: use.description,
    organization: config.organisation,
    project: name,
    inventory: name,
    execution_environment: name,
    playbook: use.playbook,
    limit: use.limit,
    credentials: use.credentials.map(c => c.name),
    timeout: use.timeout,
    labels: [mark],
    allow_simultaneous: false,
    job_slice_count: 1,
    extra_vars: {},
    ...notifies(told, config.notifications),
    ...(use === wellAgain && { notification_templates_success: told }),
    survey_enabled: use.survey.length > 0,
    ...(use.survey.length > 0 && { survey_spec: { name: '', description: '', spec: use.survey.map(asAsked) } }),
  }
}

/** A question with all that AWX's own pages write for one. */
function asAsked(question: Question): SurveyQuestion {
  return question.type === 'multiplechoice'
    ? { ...question, min: null, max: null, new_question: true }
    : { ...question, choices: '', min: 0, max: textLimit, new_question: true }
}

// What AWX's pages offer for a text.
const textLimit = 1024

/** One workflow for all of it, and one for each cluster, where its systems' kinds can be restored by a job template. */
function recoveries(config: Config, uses: readonly StagedUse[], told: readonly string[]): Workflow[] {
  const workflow = (title: string, what: string, of: readonly StagedUse[]): Workflow[] => {
    const nodes = recoveryNodes(of)
    if (!of.some(({ use }) => use.recovery && use.survey.length > 0)) return []
    return [
      {
        name: title,
        description: `Restore every backup of ${what} from its newest good copy, in the right order; each step waits for an approval. The kits come first, by hand: only an operator's private key opens them`,
        organization: config.organisation,
        labels: [mark],
        allow_simultaneous: false,
        ...notifies(told, config.notifications),
        notification_templates_approvals: told,
        nodes,
      },
    ]
  }
  const clusters = config.clusters.flatMap(({ name: cluster }) => {
    const credential = `Kubernetes: ${cluster}`
    const own = uses.filter(({ use }) => use.credentials.some(c => c.name === credential))
    return workflow(`Recover everything: ${cluster}`, `the ${cluster} cluster`, own)
  })
  return [...workflow('Recover everything', 'the whole installation', uses), ...clusters]
}

function credentials(uses: readonly TemplateUse[], config: Config): Credential[] {
  const all = new Map<string, CredentialUse>()
  for (const use of uses) for (const credential of use.credentials) all.set(credential.name, credential)
  const apis = new Map(config.clusters.map(({ name, api }) => [`Kubernetes: ${name}`, api]))
  return [...all.values()].map(({ name, type }) => {
    const inputs = {
      ...(type === kubernetesCredentialType && { host: apis.get(name) ?? '', verify_ssl: true }),
      ...(type === controllerCredentialType && { verify_ssl: true }),
    }
    const others = inputsOf(type).filter(input => !(input in inputs))
    return {
      name,
      description: marked(credentialDescriptions[type]),
      credential_type: type,
      organization: config.organisation,
      inputs,
      sources: Object.fromEntries(others.map(input => [input, environmentName(name, input)])),
    }
  })
}

const credentialDescriptions: Readonly<Record<CredentialUse['type'], string>> = {
  [machineCredentialType]: 'The Docker host, by ssh',
  [kubernetesCredentialType]: "The cluster's API, by token, with the certificate that verifies its TLS",
  [controllerCredentialType]: 'AWX itself: the token of a user in the team of operators',
  'S3 store': 'The keys of the buckets',
  Heartbeat: "The dead-man's switch that every run pings",
  'Second S3 store': 'The keys of the buckets at the second store',
  'Private age key': 'The private age key that opens encrypted copies',
}

const ownTypes = [storeCredentialType, secondStoreCredentialType, heartbeatCredentialType, keyCredentialType]

/** The credential types of our own: those of second stores and of encrypted copies only if a job needs them. */
function ownCredentialTypes(uses: readonly TemplateUse[]) {
  const needed = new Set<string>(uses.flatMap(use => use.credentials.map(({ type }) => type)))
  return ownTypes.filter(
    type => needed.has(type.name) || (type !== secondStoreCredentialType && type !== keyCredentialType),
  )
}

function inputsOf(type: CredentialUse['type']): readonly string[] {
  const own = ownTypes.find(({ name }) => name === type)
  return own ? own.inputs.fields.map(({ id }) => id) : (managedCredentialTypes[type]?.inputs ?? [])
}

/** `Kubernetes: production`, `bearer_token` → `KUBERNETES_PRODUCTION_BEARER_TOKEN`. */
function environmentName(credential: string, input: string): string {
  return `${credential} ${input}`
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, '_')
    .replaceAll(/^_|_$/g, '')
}

function schedules(config: Config): Schedule[] {
  return config.systems.flatMap(system =>
    kindOf(system)
      .templates(system)
      .filter(use => use.scheduled)
      .flatMap(use => {
        const answers = Object.fromEntries(use.survey.map(question => [question.variable, question.default]))
        const { name, description, schedule = system.schedule, also = [] } = use
        return [{ name, description, schedule, answers }, ...also].map(each => ({
          name: each.name,
          description: marked(each.description),
          unified_job_template: use.name,
          organization: config.organisation,
          rrule: rrule(each.schedule),
          enabled: true,
          extra_data: each.answers,
        }))
      }),
  )
}

/** Execute on a job template includes reading its jobs; nothing needs more. Credentials cannot be read. */
function grants(
  organization: string,
  name: string,
  uses: readonly TemplateUse[],
  workflows: readonly Workflow[],
): RoleGrant[] {
  const team = { team: operators, organization }
  return [
    { ...team, role: 'execute', job_templates: uses.map(use => use.name) },
    { ...team, role: 'read', inventories: [name], projects: [name] },
    ...(workflows.length === 0
      ? []
      : (['execute', 'approval'] as const).map(role => ({ ...team, role, workflows: workflows.map(w => w.name) }))),
  ]
}
