import type { Unsafe } from '../ansible/yaml.ts'
import type { Question } from '../kinds/kind.ts'

/** The notification templates for a job's start, success and failure. */
export interface Notifies {
  readonly notification_templates_started: readonly string[]
  readonly notification_templates_success: readonly string[]
  readonly notification_templates_error: readonly string[]
}

/** A question as AWX keeps it: `choices` is empty for a text, and `min` and `max` are its length. */
export interface SurveyQuestion extends Omit<Question, 'choices'> {
  readonly choices: readonly string[] | ''
  readonly min: number | null
  readonly max: number | null
  readonly new_question: boolean
}

/** The questions of a launch. */
export interface SurveySpec {
  readonly name: string
  readonly description: string
  readonly spec: readonly SurveyQuestion[]
}

/** A job template, with the fields of `awx.awx.job_template`. Fields not named here are those of `Defaults`. */
export interface JobTemplate extends Notifies {
  readonly name: string
  readonly description: string
  readonly organization: string
  readonly project: string
  readonly inventory: string
  readonly execution_environment: string
  readonly playbook: string
  readonly limit: string
  readonly credentials: readonly string[]
  /** Seconds; 0 is no limit. */
  readonly timeout: number
  readonly labels: readonly string[]
  readonly allow_simultaneous: boolean
  readonly job_slice_count: number
  readonly extra_vars: Readonly<Record<string, unknown>>
  readonly survey_enabled: boolean
  readonly survey_spec?: SurveySpec
  readonly job_tags?: string
  readonly skip_tags?: string
}

/** A step of a workflow: a job template, or an approval that a person gives in time. */
export interface WorkflowNode {
  /** Its name inside the workflow. */
  readonly identifier: string
  readonly unified_job_template?: string
  /** Answers to the template's survey. */
  readonly extra_data?: Readonly<Record<string, unknown>>
  readonly limit?: string
  readonly job_tags?: string
  readonly approval_node?: { readonly name: string; readonly description: string; readonly timeout: number }
  readonly success_nodes: readonly string[]
  readonly failure_nodes: readonly string[]
  readonly always_nodes: readonly string[]
}

/** A workflow, with the fields of `awx.awx.workflow_job_template` and `…_node`. */
export interface Workflow extends Notifies {
  readonly name: string
  readonly description: string
  readonly organization: string
  readonly labels: readonly string[]
  readonly allow_simultaneous: boolean
  readonly notification_templates_approvals: readonly string[]
  readonly nodes: readonly WorkflowNode[]
}

/**
 * A credential's place on AWX. `inputs` are what the config knows of it; `sources` are the others, each with the
 * environment variable that `configure-awx` reads it from, if the credentials file does not give it.
 */
export interface Credential {
  readonly name: string
  readonly description: string
  readonly credential_type: string
  readonly organization: string
  readonly inputs: Readonly<Record<string, string | boolean>>
  readonly sources: Readonly<Record<string, string>>
}

/** A schedule, with the fields of `awx.awx.schedule`. */
export interface Schedule {
  readonly name: string
  readonly description: string
  readonly unified_job_template: string
  readonly organization: string
  readonly rrule: string
  readonly enabled: boolean
  readonly extra_data: Readonly<Record<string, unknown>>
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

export interface Organization {
  readonly name: string
}

export interface ExecutionEnvironment {
  readonly name: string
  readonly description: string
  readonly organization: string
  readonly image: string
  readonly pull: 'missing'
}

export interface Project {
  readonly name: string
  readonly description: string
  readonly organization: string
  readonly scm_type: 'git'
  readonly scm_url: string
  readonly scm_branch: string
  readonly scm_clean: boolean
  readonly scm_update_on_launch: boolean
  readonly default_environment: string
}

export interface Inventory {
  readonly name: string
  readonly description: string
  readonly organization: string
}

export interface InventorySource {
  readonly name: string
  readonly description: string
  readonly inventory: string
  readonly organization: string
  readonly source: 'scm'
  readonly source_project: string
  readonly source_path: string
  readonly overwrite: boolean
  readonly overwrite_vars: boolean
  readonly update_on_launch: boolean
}

export interface NotificationTemplate {
  readonly name: string
  readonly description: string
  readonly organization: string
  readonly notification_type: 'webhook' | 'mattermost' | 'slack' | 'email'
  /** Every field of its type: AWX fills in missing ones, which would then count as differences. Secrets are empty. */
  readonly notification_configuration: Readonly<Record<string, unknown>>
  /** The secret fields, each with the environment variable that `configure-awx` reads it from. */
  readonly sources: Readonly<Record<string, string>>
  /** AWX's templates of what is sent; what is not here is AWX's own text. */
  readonly messages: {
    readonly [event in 'started' | 'success' | 'error']: Message | null
  } & {
    readonly workflow_approval: { readonly [event in 'running' | 'approved' | 'denied' | 'timed_out']: Message }
  }
}

/** A `message` of one line, a `body`, or both, as the type of the notification wants it. */
export type Message = Readonly<Record<string, Unsafe>>

export interface Label {
  readonly name: string
  readonly organization: string
}

export interface Team {
  readonly name: string
  readonly description: string
  readonly organization: string
}

/** What a team may do: one role, on objects by name. */
export interface RoleGrant {
  readonly team: string
  readonly organization: string
  readonly role: 'execute' | 'read' | 'approval' | 'use' | 'admin'
  readonly job_templates?: readonly string[]
  readonly workflows?: readonly string[]
  readonly inventories?: readonly string[]
  readonly projects?: readonly string[]
}

/**
 * The value of every field that a definition does not set, so that manual changes are found and reverted without every
 * definition naming every field.
 */
export interface Defaults {
  readonly templates: Readonly<Record<string, string | number | boolean>>
  readonly workflows: Readonly<Record<string, string | number | boolean>>
  readonly projects: Readonly<Record<string, string | number | boolean>>
  readonly inventory_sources: Readonly<Record<string, string | number | boolean>>
}

/** Everything AWX holds for the backups, as variables of the inventory host `awx`. */
export interface Definitions {
  /** The label of our templates and workflows; every other object of ours has it at its description's end. */
  readonly controller_mark: string
  readonly controller_defaults: Defaults
  readonly controller_organizations: readonly Organization[]
  readonly controller_labels: readonly Label[]
  readonly controller_credential_types: readonly CredentialType[]
  readonly controller_credentials: readonly Credential[]
  readonly controller_execution_environments: readonly ExecutionEnvironment[]
  readonly controller_projects: readonly Project[]
  readonly controller_inventories: readonly Inventory[]
  readonly controller_inventory_sources: readonly InventorySource[]
  readonly controller_notifications: readonly NotificationTemplate[]
  readonly controller_templates: readonly JobTemplate[]
  readonly controller_workflows: readonly Workflow[]
  readonly controller_schedules: readonly Schedule[]
  readonly controller_teams: readonly Team[]
  readonly controller_roles: readonly RoleGrant[]
}
