import { isDeepStrictEqual } from 'node:util'
import { load } from 'js-yaml'
import { Unsafe } from '../ansible/yaml.ts'
import type { Controller, LiveObject } from '../awx/controller.ts'
import type { Definitions, RoleGrant, SurveySpec } from '../awx/definitions.ts'
import { mark } from '../awx/mark.ts'
import { inParallel } from '../store/parallel.ts'
import type { Comparison, Difference, FieldDifference } from './difference.ts'

/** A defined object, as far as the comparison cares. */
type Wanted = Readonly<Record<string, unknown>> & { readonly name: string }

/** How a kind of object is found on AWX, and which of its fields are not plain values there. */
interface Kind {
  readonly title: string
  readonly endpoint: string
  readonly wanted: readonly Wanted[]
  readonly defaults?: Readonly<Record<string, unknown>>
  /** What finds all of them: those that the config names, and those that have our mark. */
  readonly query: Readonly<Record<string, string>>
  /** Whether an object that the config does not name is ours. */
  readonly ours: (live: LiveObject) => boolean
  /** Fields that name another object; AWX shows its number, and its name in the summary. */
  readonly references?: readonly string[]
  /** Fields that are lists of names, each a list of its own on AWX. */
  readonly links?: readonly string[]
}

// As many requests at once: quick for a few hundred objects, no burden for AWX's web workers.
const atOnce = 8

/** An object that has our mark and that the config does not name, as the role `awx_objects` removes it. */
export type SurplusObject = Readonly<Record<string, string | number>>

/** A comparison with what is needed to act on it. */
export interface AwxComparison extends Comparison {
  /** The grants that AWX lacks. */
  readonly missingRoles: readonly RoleGrant[]
  /** AWX's name of a list → the objects in it that are ours and that the config does not name. */
  readonly surplus: Readonly<Record<string, readonly SurplusObject[]>>
}

/**
 * Compares every object and field of the definitions with an AWX: what is missing, what differs (manual changes
 * included), and what has our mark and is not in the config. Reads only.
 *
 * @throws Failure when AWX cannot be reached or refuses
 */
export async function compareWithAwx(definitions: Definitions, controller: Controller): Promise<AwxComparison> {
  const organization = definitions.controller_organizations[0]?.name ?? ''
  const differences: Difference[] = []
  const surplus: Record<string, SurplusObject[]> = {}
  let compared = 0
  for (const kind of kinds(definitions, organization)) {
    const live = await controller.list(kind.endpoint, kind.query)
    const byName = new Map(live.map(object => [object.name, object]))
    compared += kind.wanted.length
    const found = await inParallel(kind.wanted, atOnce, async wanted => {
      const object = byName.get(wanted.name)
      if (!object) return missing(kind, wanted)
      return differing(kind.title, wanted.name, await fieldDifferences(kind, wanted, object, controller))
    })
    differences.push(...found.flat())
    const names = new Set(kind.wanted.map(({ name }) => name))
    for (const object of live) {
      if (names.has(object.name ?? '') || !kind.ours(object)) continue
      const name = object.name ?? String(object.id)
      const note = 'carries our mark, but is not in the config'
      differences.push({ sign: '-', where: 'AWX', kind: kind.title, name, fields: [], note })
      const list = kind.endpoint.replace('/', '')
      const parents = ['inventory', 'credential_type'].map(field => [field, nameIn(object, field) ?? ''])
      surplus[list] = [...(surplus[list] ?? []), { id: object.id, name, ...Object.fromEntries(parents) }]
    }
  }
  const workflows = await workflowNodes(definitions, organization, controller)
  const roles = await roleGrants(definitions, organization, controller)
  return {
    differences: [...differences, ...workflows.differences, ...roles.differences],
    compared: compared + workflows.compared + roles.compared,
    unreachable: [],
    missingRoles: roles.missing,
    surplus: { ...surplus, ...(roles.surplus.length > 0 && { roles: roles.surplus }) },
  }
}

function kinds(definitions: Definitions, organization: string): Kind[] {
  const inOurs = { organization__name: organization }
  const described = (live: LiveObject) => String(live.description ?? '').endsWith(`[${mark}]`)
  const labelled = (live: LiveObject) => labelsOf(live).includes(mark)
  const notifications = ['started', 'success', 'error'].map(when => `notification_templates_${when}`)
  const never = () => false
  return [
    {
      title: 'organisation',
      endpoint: 'organizations/',
      wanted: named(definitions.controller_organizations),
      query: { name: organization },
      ours: never,
    },
    {
      title: 'label',
      endpoint: 'labels/',
      wanted: named(definitions.controller_labels),
      query: inOurs,
      ours: never,
      references: ['organization'],
    },
    {
      title: 'credential type',
      endpoint: 'credential_types/',
      wanted: named(definitions.controller_credential_types),
      query: { managed: 'false' },
      // They belong to no organisation: another one's may be the same.
      ours: never,
    },
    {
      title: 'credential',
      endpoint: 'credentials/',
      wanted: named(definitions.controller_credentials),
      query: inOurs,
      ours: described,
      references: ['organization', 'credential_type'],
    },
    {
      title: 'execution environment',
      endpoint: 'execution_environments/',
      wanted: named(definitions.controller_execution_environments),
      query: inOurs,
      ours: described,
      references: ['organization'],
    },
    {
      title: 'notification template',
      endpoint: 'notification_templates/',
      wanted: named(definitions.controller_notifications),
      query: inOurs,
      ours: described,
      references: ['organization'],
    },
    {
      title: 'project',
      endpoint: 'projects/',
      wanted: named(definitions.controller_projects),
      defaults: definitions.controller_defaults.projects,
      query: inOurs,
      ours: described,
      references: ['organization', 'default_environment'],
    },
    {
      title: 'inventory',
      endpoint: 'inventories/',
      wanted: named(definitions.controller_inventories),
      query: inOurs,
      ours: described,
      references: ['organization'],
    },
    {
      title: 'inventory source',
      endpoint: 'inventory_sources/',
      wanted: named(definitions.controller_inventory_sources.map(({ organization: _, ...source }) => source)),
      defaults: definitions.controller_defaults.inventory_sources,
      query: { inventory__organization__name: organization },
      ours: described,
      references: ['inventory', 'source_project'],
    },
    {
      title: 'job template',
      endpoint: 'job_templates/',
      wanted: named(definitions.controller_templates),
      defaults: definitions.controller_defaults.templates,
      query: inOurs,
      ours: labelled,
      references: ['organization', 'project', 'inventory', 'execution_environment'],
      links: ['credentials', 'labels', ...notifications],
    },
    {
      title: 'workflow',
      endpoint: 'workflow_job_templates/',
      wanted: named(definitions.controller_workflows.map(({ nodes: _, ...workflow }) => workflow)),
      defaults: definitions.controller_defaults.workflows,
      query: inOurs,
      ours: labelled,
      references: ['organization'],
      links: ['labels', ...notifications, 'notification_templates_approvals'],
    },
    {
      title: 'schedule',
      endpoint: 'schedules/',
      wanted: definitions.controller_schedules.map(
        ({ organization: _, ...schedule }) => schedule,
      ) as unknown as Wanted[],
      query: {
        unified_job_template__labels__name: mark,
        unified_job_template__organization__name: organization,
      },
      // An operator may have schedules of their own on our templates.
      ours: described,
      references: ['unified_job_template'],
    },
    {
      title: 'team',
      endpoint: 'teams/',
      wanted: named(definitions.controller_teams),
      query: inOurs,
      ours: described,
      references: ['organization'],
    },
  ]
}

const named = (objects: readonly { readonly name: string }[]) => objects as unknown as readonly Wanted[]

function missing({ title }: Kind, { name }: Wanted): Difference[] {
  return [{ sign: '+', where: 'AWX', kind: title, name, fields: [] }]
}

function differing(kind: string, name: string, fields: readonly FieldDifference[]): Difference[] {
  return fields.length === 0 ? [] : [{ sign: '~', where: 'AWX', kind, name, fields }]
}

async function fieldDifferences(
  kind: Kind,
  wanted: Wanted,
  live: LiveObject,
  controller: Controller,
): Promise<FieldDifference[]> {
  const found: FieldDifference[] = []
  const compare = (field: string, is: unknown, should: unknown) => {
    if (!isDeepStrictEqual(is, should)) found.push({ field, is, wanted: should })
  }
  for (const [field, value] of Object.entries({ ...kind.defaults, ...wanted })) {
    if (field === 'notification_configuration') {
      const is = (live[field] ?? {}) as Record<string, unknown>
      const secret = Object.keys((wanted as unknown as { sources: object }).sources)
      for (const [key, should] of Object.entries(value as object)) {
        // AWX shows that it has a secret, and not which.
        if (!secret.includes(key)) compare(`${field}.${key}`, is[key], should)
        else if (!is[key]) found.push({ field: `${field}.${key}`, is: undefined, wanted: '(set)' })
      }
    } else if (field === 'sources' && kind.title === 'notification template') {
      // Compared with the configuration.
    } else if (field === 'sources') {
      // Their values are secret; that AWX has some is all that can be seen.
      for (const input of Object.keys(value as object)) {
        if (!(input in (live.inputs as object)))
          found.push({ field: `inputs.${input}`, is: undefined, wanted: '(set)' })
      }
    } else if (field === 'inputs' && kind.title === 'credential') {
      for (const [input, should] of Object.entries(value as object)) {
        compare(`inputs.${input}`, (live.inputs as Record<string, unknown>)[input], should)
      }
    } else if (kind.references?.includes(field)) {
      compare(field, nameIn(live, field), value)
    } else if (kind.links?.includes(field)) {
      const names = await linkedNames(live, field, controller)
      compare(field, names.sort(), [...(value as string[])].sort())
    } else if (field === 'survey_spec') {
      const survey = await controller.get<Partial<SurveySpec>>(live.related.survey_spec ?? '')
      found.push(...surveyDifferences(survey, value as SurveySpec))
    } else if (field === 'extra_vars') {
      compare(field, readVariables(live.extra_vars), value)
    } else {
      // AWX returns null or omits some texts that are empty.
      compare(field, value === '' ? (live[field] ?? '') : live[field], plain(value))
    }
  }
  return found
}

/** What differs between two surveys, by question and by its field. */
function surveyDifferences(is: Partial<SurveySpec>, wanted: SurveySpec): FieldDifference[] {
  const found: FieldDifference[] = []
  const live = new Map((is.spec ?? []).map(question => [question.variable, question]))
  for (const question of wanted.spec) {
    const { variable } = question
    const now = live.get(variable)
    if (!now) found.push({ field: `survey: ${variable}`, is: undefined, wanted: question.question_name })
    for (const [key, value] of now ? Object.entries(question) : []) {
      const has = (now as unknown as Record<string, unknown>)[key]
      if (!isDeepStrictEqual(has, value)) found.push({ field: `survey: ${variable}: ${key}`, is: has, wanted: value })
    }
  }
  const asked = wanted.spec.map(({ variable }) => variable)
  for (const [variable, { question_name }] of live) {
    if (!asked.includes(variable)) found.push({ field: `survey: ${variable}`, is: question_name, wanted: undefined })
  }
  if (found.length === 0 && !isDeepStrictEqual([...live.keys()], asked)) {
    found.push({ field: 'survey: order', is: [...live.keys()], wanted: asked })
  }
  return found
}

function nameIn(live: LiveObject, field: string): string | undefined {
  const summary = live.summary_fields[field] as { name?: string } | undefined
  return summary?.name
}

function labelsOf(live: LiveObject): string[] {
  const labels = live.summary_fields.labels as { results?: { name: string }[] } | undefined
  return (labels?.results ?? []).map(({ name }) => name)
}

/** Credentials are all in the summary; of labels AWX puts ten there, which is more than anybody has. */
async function linkedNames(live: LiveObject, field: string, controller: Controller): Promise<string[]> {
  if (field === 'labels') return labelsOf(live)
  if (field === 'credentials') {
    return ((live.summary_fields.credentials ?? []) as { name: string }[]).map(({ name }) => name)
  }
  const members = await controller.list(live.related[field] ?? `${live.url}${field}/`)
  return members.map(({ name }) => name ?? '')
}

/** AWX keeps variables as the text they came as, JSON or YAML. */
function readVariables(text: unknown): unknown {
  if (typeof text !== 'string') return text
  return text.trim() === '' ? {} : (load(text) ?? {})
}

/** A definition's value as AWX shows it. */
function plain(value: unknown): unknown {
  if (value instanceof Unsafe) return value.text
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
  }
  return value
}

const nodeLinks = ['success_nodes', 'failure_nodes', 'always_nodes'] as const

async function workflowNodes(definitions: Definitions, organization: string, controller: Controller) {
  const differences: Difference[] = []
  let compared = 0
  if (definitions.controller_workflows.length === 0) return { differences, compared }
  const live = await controller.list('workflow_job_template_nodes/', {
    workflow_job_template__organization__name: organization,
  })
  const numbers = new Map(live.map(node => [node.id, String(node.identifier)]))
  for (const workflow of definitions.controller_workflows) {
    const nodes = live.filter(node => nameIn(node, 'workflow_job_template') === workflow.name)
    for (const node of workflow.nodes) {
      compared += 1
      const name = `${workflow.name}: ${node.identifier}`
      const found = nodes.find(({ identifier }) => identifier === node.identifier)
      if (!found) {
        differences.push({ sign: '+', where: 'AWX', kind: 'workflow node', name, fields: [] })
        continue
      }
      const fields: FieldDifference[] = []
      const compare = (field: string, is: unknown, should: unknown) => {
        if (!isDeepStrictEqual(is, should)) fields.push({ field, is, wanted: should })
      }
      const template = found.summary_fields.unified_job_template as { name?: string } | undefined
      compare('unified_job_template', template?.name, node.unified_job_template ?? node.approval_node?.name)
      compare('extra_data', found.extra_data ?? {}, node.extra_data ?? {})
      compare('limit', found.limit ?? '', node.limit ?? '')
      compare('job_tags', found.job_tags ?? '', node.job_tags ?? '')
      if (node.approval_node && found.related.unified_job_template) {
        const approval = await controller.get(found.related.unified_job_template)
        compare('approval_node.timeout', approval.timeout, node.approval_node.timeout)
        compare('approval_node.description', approval.description, node.approval_node.description)
      }
      for (const link of nodeLinks) {
        const linked = await controller.list(found.related[link] ?? `${found.url}${link}/`)
        compare(link, linked.map(({ id }) => numbers.get(id)).sort(), [...node[link]].sort())
      }
      differences.push(...differing('workflow node', name, fields))
    }
    for (const node of nodes) {
      if (!workflow.nodes.some(({ identifier }) => identifier === node.identifier)) {
        const name = `${workflow.name}: ${String(node.identifier)}`
        differences.push({ sign: '-', where: 'AWX', kind: 'workflow node', name, fields: [] })
      }
    }
  }
  return { differences, compared }
}

// A list of grants, and the type that AWX calls its members by.
const grantLists = {
  job_templates: 'job_template',
  workflows: 'workflow_job_template',
  inventories: 'inventory',
  projects: 'project',
} as const

// AWX lists a team's roles by their titles.
const roleTitles = { execute: 'Execute', read: 'Read', approval: 'Approve', use: 'Use', admin: 'Admin' } as const

/** What a team of ours may do, against what it should: AWX names a role by its title and its object. */
async function roleGrants(definitions: Definitions, organization: string, controller: Controller) {
  const differences: Difference[] = []
  const missing: RoleGrant[] = []
  const surplus: SurplusObject[] = []
  let compared = 0
  const teams = await controller.list('teams/', { organization__name: organization })
  for (const { name: team } of definitions.controller_teams) {
    const live = teams.find(({ name }) => name === team)
    const granted = live ? await controller.list(`teams/${live.id}/roles/`) : []
    const has = new Map(
      granted.map(({ name, summary_fields: on }) => [
        `${name} on ${on.resource_type} ${on.resource_name}`,
        { name, on },
      ]),
    )
    const difference = (sign: '+' | '-', role: string): Difference => ({
      sign,
      where: 'AWX',
      kind: 'role',
      name: `${team}: ${role}`,
      fields: [],
    })
    const wanted = new Set<string>()
    for (const grant of definitions.controller_roles.filter(grant => grant.team === team)) {
      for (const [list, type] of Object.entries(grantLists) as [keyof typeof grantLists, string][]) {
        const titles = (grant[list] ?? []).map(name => ({ name, role: `${roleTitles[grant.role]} on ${type} ${name}` }))
        for (const { role } of titles) wanted.add(role)
        const lacking = titles.filter(({ role }) => !has.has(role))
        if (lacking.length === 0) continue
        differences.push(...lacking.map(({ role }) => difference('+', role)))
        const { role, organization } = grant
        missing.push({ team, organization, role, [list]: lacking.map(({ name }) => name) })
      }
    }
    compared += wanted.size
    for (const [role, { name, on }] of has) {
      if (wanted.has(role)) continue
      differences.push(difference('-', role))
      surplus.push({
        team,
        role: roleNames.get(String(name)) ?? String(name).toLowerCase().replaceAll(' ', '_'),
        type: String(on.resource_type),
        name: String(on.resource_name),
      })
    }
  }
  return { differences, compared, missing, surplus }
}

// The titles that are not the role's name in the module's words.
const roleNames = new Map([
  ['Approve', 'approval'],
  ['Ad Hoc', 'adhoc'],
])
