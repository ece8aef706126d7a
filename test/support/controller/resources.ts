import tables from './tables.json' with { type: 'json' }

/** One field of a resource, as returned by AWX's own `OPTIONS`. */
export interface Field {
  readonly type: string
  readonly required?: boolean
  readonly max_length?: number
  readonly min_value?: number
  readonly max_value?: number
  readonly choices?: readonly unknown[]
  readonly default?: unknown
  readonly write_only?: boolean
}

/** What the field tables do not describe: references, uniqueness, and related lists of a resource. */
export interface Resource {
  readonly type: string
  readonly fields: Readonly<Record<string, Field>>
  /** Field → the resource that it references by id; `unified_job_templates` is any of those. */
  readonly references: Readonly<Record<string, string>>
  /** Unique together. */
  readonly unique: readonly string[]
  /** Sub-list → the resource of its members. */
  readonly links: Readonly<Record<string, string>>
  readonly roles: readonly string[]
}

const notifications = Object.fromEntries(
  ['started', 'success', 'error'].map(when => [`notification_templates_${when}`, 'notification_templates']),
)
const withApprovals = { ...notifications, notification_templates_approvals: 'notification_templates' }
const organization = { organization: 'organizations' }

function resource(
  name: keyof typeof tables.fields | 'workflow_approval_templates',
  type: string,
  rest: Partial<Pick<Resource, 'references' | 'unique' | 'links' | 'roles'>>,
): Resource {
  const fields: Readonly<Record<string, Field>> =
    name === 'workflow_approval_templates'
      ? {
          name: { type: 'string', required: true, max_length: 512 },
          description: { type: 'string', default: '' },
          timeout: { type: 'integer', default: 0 },
        }
      : tables.fields[name]
  return { type, fields, references: {}, unique: ['name'], links: {}, roles: [], ...rest }
}

/** The resources that the stand-in implements. */
export const resources: Readonly<Record<string, Resource>> = {
  organizations: resource('organizations', 'organization', {
    references: { default_environment: 'execution_environments' },
    links: { ...withApprovals },
    roles: ['admin', 'execute', 'member', 'read', 'auditor', 'approval'],
  }),
  labels: resource('labels', 'label', { references: organization, unique: ['name', 'organization'] }),
  credential_types: resource('credential_types', 'credential_type', { unique: ['name', 'kind'] }),
  credentials: resource('credentials', 'credential', {
    references: { ...organization, credential_type: 'credential_types', user: 'users', team: 'teams' },
    unique: ['name', 'organization', 'credential_type'],
    roles: ['admin', 'use', 'read'],
  }),
  execution_environments: resource('execution_environments', 'execution_environment', {
    references: { ...organization, credential: 'credentials' },
  }),
  projects: resource('projects', 'project', {
    references: {
      ...organization,
      credential: 'credentials',
      default_environment: 'execution_environments',
      signature_validation_credential: 'credentials',
    },
    unique: ['name', 'organization'],
    links: notifications,
    roles: ['admin', 'use', 'update', 'read'],
  }),
  inventories: resource('inventories', 'inventory', {
    references: organization,
    unique: ['name', 'organization'],
    roles: ['admin', 'update', 'adhoc', 'use', 'read'],
  }),
  inventory_sources: resource('inventory_sources', 'inventory_source', {
    references: {
      inventory: 'inventories',
      credential: 'credentials',
      execution_environment: 'execution_environments',
      source_project: 'projects',
    },
    unique: ['name', 'inventory'],
    links: notifications,
  }),
  notification_templates: resource('notification_templates', 'notification_template', {
    references: organization,
    unique: ['name', 'organization'],
  }),
  job_templates: resource('job_templates', 'job_template', {
    references: {
      inventory: 'inventories',
      project: 'projects',
      execution_environment: 'execution_environments',
      webhook_credential: 'credentials',
    },
    unique: ['name', 'organization'],
    links: { ...notifications, credentials: 'credentials', labels: 'labels' },
    roles: ['admin', 'execute', 'read'],
  }),
  workflow_job_templates: resource('workflow_job_templates', 'workflow_job_template', {
    references: { ...organization, inventory: 'inventories', webhook_credential: 'credentials' },
    unique: ['name', 'organization'],
    links: { ...withApprovals, labels: 'labels' },
    roles: ['admin', 'execute', 'read', 'approval'],
  }),
  workflow_job_template_nodes: resource('workflow_job_template_nodes', 'workflow_job_template_node', {
    references: {
      workflow_job_template: 'workflow_job_templates',
      unified_job_template: 'unified_job_templates',
      inventory: 'inventories',
      execution_environment: 'execution_environments',
    },
    unique: ['identifier', 'workflow_job_template'],
    links: {
      success_nodes: 'workflow_job_template_nodes',
      failure_nodes: 'workflow_job_template_nodes',
      always_nodes: 'workflow_job_template_nodes',
      credentials: 'credentials',
      labels: 'labels',
    },
  }),
  workflow_approval_templates: resource('workflow_approval_templates', 'workflow_approval_template', { unique: [] }),
  schedules: resource('schedules', 'schedule', {
    references: {
      unified_job_template: 'unified_job_templates',
      inventory: 'inventories',
      execution_environment: 'execution_environments',
    },
    unique: ['name', 'unified_job_template'],
    links: { credentials: 'credentials', labels: 'labels' },
  }),
  teams: resource('teams', 'team', {
    references: organization,
    unique: ['name', 'organization'],
    roles: ['admin', 'member', 'read'],
  }),
  users: resource('users', 'user', { unique: ['username'] }),
}

/** The resources that a job can be launched from: in AWX they share one sequence of ids, and so they do here. */
export const unifiedJobTemplates = [
  'job_templates',
  'workflow_job_templates',
  'projects',
  'inventory_sources',
  'workflow_approval_templates',
] as const

/** A template's organisation follows from its project; AWX returns it like a field. */
export const readOnly: Readonly<Record<string, readonly string[]>> = {
  credential_types: ['managed', 'namespace'],
  workflow_job_template_nodes: ['type'],
}

export { tables }
