import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { send } from './notify.ts'
import { credentialTypeRefusal, fieldRefusal, type Refusal, rruleRefusal, surveyRefusal } from './refusals.ts'
import { type Resource, readOnly, resources, tables, unifiedJobTemplates } from './resources.ts'
import { type Step, workflowRuns } from './workflows.ts'

/**
 * A stand-in for AWX's API, for tests: it stores objects in memory, serves them on loopback, and validates them by the
 * field tables of a real AWX. It is stricter than AWX in one respect: it refuses unknown fields, which AWX silently
 * ignores. It runs no playbooks: the test defines what a job prints and how it ends. What it accepts is not proof that
 * AWX does; what it refuses, AWX refuses or ignores.
 */
// The events that AWX has messages for.
const jobEvents = ['started', 'success', 'error']
const approvalEvents = ['running', 'approved', 'denied', 'timed_out']

export interface Controller {
  readonly url: string
  readonly token: string
  readonly user: string
  readonly password: string
  /** Requests answered since the last call, as `POST /job_templates/` and so on. */
  requests(): string[]
  /** The object with this name, as its list shows it. */
  find(resource: string, name: string): Record<string, unknown> | undefined
  /** Changes a field as a user of AWX's pages would. */
  change(resource: string, name: string, fields: Record<string, unknown>): void
  /** The notifications of jobs that have ended, oldest first; those by webhook are posted, too. */
  sent(): readonly { readonly to: string; readonly message: string; readonly body: string }[]
  /** Every launched job has ended, and its notifications are sent. */
  idle(): Promise<void>
  close(): Promise<void>
}

/** A launched job, for the test that plays it. */
export interface Run {
  readonly template: string
  readonly id: number
  readonly extraVars: Readonly<Record<string, unknown>>
  readonly log: (line: string) => void
  readonly cancelled: AbortSignal
  /** What its play handed to `set_stats`. */
  readonly artifacts: Record<string, unknown>
}

export interface ControllerOptions {
  /** The playbooks in every project's repository; a job template may name those found by its project's last fetch. */
  readonly playbooks?: readonly string[]
  /** Plays a job. Default: one line, and success. */
  readonly run?: (run: Run) => Promise<'successful' | 'failed'>
}

interface Item {
  readonly id: number
  readonly resource: string
  readonly values: Record<string, unknown>
  readonly links: Map<string, Set<number>>
  readonly roles: Record<string, number>
  survey?: Record<string, unknown>
}

interface InputField {
  readonly id: string
  readonly secret?: boolean
  readonly format?: string
}

interface Job {
  readonly id: number
  readonly template: Item
  readonly extraVars: Record<string, unknown>
  readonly artifacts: Record<string, unknown>
  readonly started: string
  finished: string | null
  status: string
  readonly events: string[]
  readonly stop: AbortController
  readonly ended: Promise<'successful' | 'failed' | 'canceled'>
  notified: Promise<void>
}

/** Completes a request with a status and a body. */
class Answer extends Error {
  readonly status: number
  readonly body: unknown
  constructor(status: number, body?: unknown) {
    super(`${status}`)
    this.status = status
    this.body = body
  }
}
function refuse(body: Refusal): never {
  throw new Answer(400, body)
}

const encrypted = '$encrypted$'
const pageSize = 25

const playNothing: NonNullable<ControllerOptions['run']> = async ({ template, log }) => {
  log(`played ${template}`)
  return 'successful'
}

/** Starts a stand-in on a free port of loopback. */
export async function startController(options: ControllerOptions = {}): Promise<Controller> {
  const items = new Map<number, Item>()
  const jobs = new Map<number, Job>()
  const roleMembers = new Map<number, Set<number>>()
  /** Project → the playbooks found by its last fetch; update → its project. */
  const fetched = new Map<number, readonly string[]>()
  const updates = new Map<number, number>()
  const credentials = { token: 'stand-in-token', user: 'stand-in', password: 'stand-in-password' }
  const tokens = new Set([credentials.token])
  let seen: string[] = []
  const sent: { to: string; message: string; body: string }[] = []
  let last = 0
  const workflows = workflowRuns(() => ++last)

  const all = (resource: string) =>
    [...items.values()].filter(item =>
      resource === 'unified_job_templates'
        ? (unifiedJobTemplates as readonly string[]).includes(item.resource)
        : item.resource === resource,
    )
  const of = (item: Item): Resource => resources[item.resource] as Resource
  const get = (resource: string, id: unknown): Item | undefined => all(resource).find(item => item.id === Number(id))
  const nameOf = (item: Item) => item.values.name ?? item.values.identifier ?? item.values.username

  function add(resource: string, values: Record<string, unknown>): Item {
    const { links, roles } = resources[resource] as Resource
    const item: Item = {
      id: ++last,
      resource,
      values,
      links: new Map(Object.keys(links).map(link => [link, new Set<number>()])),
      roles: Object.fromEntries(roles.map(role => [role, ++last])),
    }
    items.set(item.id, item)
    for (const role of Object.values(item.roles)) roleMembers.set(role, new Set())
    return item
  }

  for (const { name, kind, namespace, fields, required } of tables.managedCredentialTypes) {
    add('credential_types', {
      name,
      description: '',
      kind,
      namespace,
      managed: true,
      inputs: { fields, required },
      injectors: {},
    })
  }

  const base = '/api/v2'
  const urlOf = (item: Item) => `${base}/${item.resource}/${item.id}/`

  /** An item as AWX shows it. */
  function show(item: Item): Record<string, unknown> {
    const { type, references, links, roles } = of(item)
    const summary: Record<string, unknown> = {}
    const related: Record<string, string> = {}
    for (const [field, resource] of [...Object.entries(references), ['organization', 'organizations'] as const]) {
      const target = get(resource, item.values[field])
      if (!target) continue
      summary[field] = { id: target.id, name: nameOf(target), type: of(target).type }
      related[field] = urlOf(target)
    }
    for (const link of Object.keys(links)) {
      related[link] = `${urlOf(item)}${link}/`
      if (link !== 'labels' && link !== 'credentials') continue
      const members = [...(item.links.get(link) ?? [])].map(id => {
        const member = items.get(id) as Item
        return { id, name: nameOf(member) }
      })
      summary[link] = link === 'labels' ? { count: members.length, results: members } : members
    }
    if (roles.length > 0) {
      summary.object_roles = Object.fromEntries(
        Object.entries(item.roles).map(([role, id]) => [`${role}_role`, { id, name: role }]),
      )
    }
    if (item.resource === 'job_templates') {
      summary.recent_jobs = jobsOf(item.id)
        .slice(0, 10)
        .map(({ id, status, finished }) => ({ id, status, finished, canceled_on: null, type: 'job' }))
    }
    for (const extra of ['survey_spec', 'launch', 'update']) related[extra] = `${urlOf(item)}${extra}/`
    const shown: Record<string, unknown> = { id: item.id, type, url: urlOf(item), related, summary_fields: summary }
    for (const [field, value] of Object.entries(item.values)) {
      if (of(item).fields[field]?.write_only) continue
      shown[field] = value
    }
    if (item.resource === 'credentials') shown.inputs = withoutSecrets(item)
    if (item.resource === 'projects') Object.assign(shown, { scm_revision: revisionOf(item), status: 'successful' })
    return shown
  }

  /** What a fetch found, as a commit id would identify it. */
  const revisionOf = ({ id }: Item) =>
    createHash('sha1')
      .update(`${fetched.get(id)}`)
      .digest('hex')

  function fetchProject({ id }: Item): number {
    fetched.set(id, [...(options.playbooks ?? [])])
    updates.set(++last, id)
    return last
  }

  function withoutSecrets(item: Item): Record<string, unknown> {
    const type = items.get(Number(item.values.credential_type))
    const secret = new Set(inputFields(type).flatMap(field => (field.secret ? [field.id] : [])))
    return Object.fromEntries(
      Object.entries(item.values.inputs as object).map(([key, value]) => [
        key,
        secret.has(key) && value !== '' ? encrypted : value,
      ]),
    )
  }

  function inputFields(type: Item | undefined): InputField[] {
    return ((type?.values.inputs as { fields?: InputField[] })?.fields ?? []).slice()
  }

  /** Validates a body for an item and returns the resulting values, or refuses it. */
  function accept(resource: string, body: Record<string, unknown>, before?: Item): Record<string, unknown> {
    const { fields, references, unique } = resources[resource] as Resource
    const values: Record<string, unknown> = { ...before?.values }
    const known = resource === 'job_templates' ? { ...fields, organization: { type: 'id' } } : fields
    for (const [key, value] of Object.entries(body)) {
      if (readOnly[resource]?.includes(key)) continue
      const field = known[key]
      if (!field) refuse({ [key]: [`No table of AWX's fields knows \`${key}\` for ${resource}.`] })
      const complaint = fieldRefusal(field, value)
      if (complaint) refuse({ [key]: [complaint] })
      values[key] = value
    }
    for (const [key, field] of Object.entries(fields)) {
      if (field.required && (values[key] === undefined || values[key] === null)) {
        refuse({ [key]: ['This field is required.'] })
      }
      if (values[key] === undefined) {
        values[key] =
          resource === 'workflow_job_template_nodes' && key === 'identifier'
            ? crypto.randomUUID()
            : (structuredClone(field.default) ?? (field.type === 'string' ? '' : null))
      }
    }
    for (const [key, target] of Object.entries(references)) {
      if (values[key] !== null && values[key] !== undefined && !get(target, values[key])) {
        refuse({ [key]: [`Invalid pk "${String(values[key])}" - object does not exist.`] })
      }
    }
    const twin = all(resource).find(
      item =>
        item.id !== before?.id &&
        unique.length > 0 &&
        unique.every(key => (item.values[key] ?? null) === (values[key] ?? null)),
    )
    if (twin) refuse({ __all__: [`${resources[resource]?.type} with this ${unique.join(' and ')} already exists.`] })
    checks[resource]?.(values, before)
    return values
  }

  const checks: Record<string, (values: Record<string, unknown>, before?: Item) => void> = {
    credential_types(values) {
      values.managed = false
      const refusal = credentialTypeRefusal(
        values.inputs as Record<string, unknown>,
        values.injectors as Record<string, unknown>,
      )
      if (refusal) refuse(refusal)
    },
    credentials(values, before) {
      const fields = inputFields(items.get(Number(values.credential_type)))
      const known = fields.map(({ id }) => id)
      const inputs = { ...(values.inputs as Record<string, unknown>) }
      for (const [key, value] of Object.entries(inputs)) {
        if (!known.includes(key))
          refuse({ inputs: { [key]: [`Additional properties are not allowed ('${key}' was unexpected)`] } })
        if (value === encrypted) {
          const kept = (before?.values.inputs as Record<string, unknown> | undefined)?.[key]
          if (kept === undefined)
            refuse({ inputs: { [key]: ['$encrypted$ is a reserved keyword, may not be used for new objects'] } })
          inputs[key] = kept
        } else if (fields.some(({ id, format }) => id === key && format === 'ssh_private_key')) {
          if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(String(value))) {
            refuse({ inputs: { [key]: ['Invalid certificate or key'] } })
          }
        }
      }
      values.inputs = inputs
    },
    notification_templates(values) {
      const table = (
        tables.notificationConfiguration as Record<string, Record<string, { type: string; default?: unknown }>>
      )[String(values.notification_type)]
      if (!table) return
      const { workflow_approval: approvals, ...messages } = (values.messages as Record<string, unknown> | null) ?? {}
      for (const [event, said] of Object.entries({ ...messages, ...(approvals as object | null) })) {
        const events = approvals && event in (approvals as object) ? approvalEvents : jobEvents
        if (!events.includes(event)) refuse({ messages: [`Unexpected event '${event}'`] })
        if ((said as { message?: string } | null)?.message?.includes('\n')) {
          refuse({ messages: [`Messages cannot contain newlines (found newline in ${event} event)`] })
        }
      }
      const given = { ...(values.notification_configuration as Record<string, unknown>) }
      for (const [key, field] of Object.entries(table)) {
        if (key in given) continue
        if (field.default === undefined)
          refuse({
            notification_configuration: [`Missing required fields for Notification Configuration: ['${key}'].`],
          })
        given[key] = field.default
      }
      for (const key of Object.keys(given)) {
        if (!(key in table)) refuse({ notification_configuration: [`Unknown field ${key}.`] })
      }
      values.notification_configuration = given
    },
    job_templates(values) {
      const project = get('projects', values.project)
      if (!project) refuse({ project: ['Job Templates must have a project assigned.'] })
      if (!values.inventory && !values.ask_inventory_on_launch) {
        refuse({ inventory: ['Must either set a default value or ask to prompt on launch.'] })
      }
      if (options.playbooks && !fetched.get(project.id)?.includes(String(values.playbook))) {
        refuse({ playbook: ['Playbook not found for project.'] })
      }
      // AWX requires a job template's organisation to be that of its project.
      values.organization = project.values.organization
    },
    workflow_job_template_nodes(values) {
      promptRefusal(values, get('unified_job_templates', values.unified_job_template))
    },
    schedules(values) {
      const complaint = rruleRefusal(String(values.rrule))
      if (complaint) refuse({ rrule: [complaint] })
      const template = get('unified_job_templates', values.unified_job_template)
      promptRefusal(values, template)
      const unanswered = missingAnswers(template, values.extra_data as Record<string, unknown>, false)
      if (unanswered.length > 0) refuse({ variables_needed_to_start: unanswered })
    },
  }

  /** What a schedule or node sets although its template does not ask for it. */
  function promptRefusal(values: Record<string, unknown>, template: Item | undefined): void {
    const prompts = {
      limit: 'limit',
      job_tags: 'tags',
      skip_tags: 'skip_tags',
      scm_branch: 'scm_branch',
      inventory: 'inventory',
      job_type: 'job_type',
      verbosity: 'verbosity',
      diff_mode: 'diff_mode',
      forks: 'forks',
      timeout: 'timeout',
      job_slice_count: 'job_slice_count',
      execution_environment: 'execution_environment',
    }
    for (const [field, prompt] of Object.entries(prompts)) {
      if (
        values[field] !== null &&
        values[field] !== undefined &&
        values[field] !== '' &&
        !template?.values[`ask_${prompt}_on_launch`]
      ) {
        refuse({ [field]: ['Field is not configured to prompt on launch.'] })
      }
    }
    const asked = surveyVariables(template)
    for (const key of Object.keys((values.extra_data ?? {}) as object)) {
      if (!asked.includes(key) && !template?.values.ask_variables_on_launch) {
        refuse({
          extra_data: [
            `Variables ${key} are not allowed on launch. Check the Prompt on Launch setting on the Job Template to include Extra Variables.`,
          ],
        })
      }
    }
  }

  const surveyOf = (template: Item | undefined) =>
    template?.values.survey_enabled ? ((template.survey?.spec ?? []) as Record<string, unknown>[]) : []
  const surveyVariables = (template: Item | undefined) => surveyOf(template).map(question => String(question.variable))

  /** AWX counts a default as an answer at a launch, but not in a schedule. */
  function missingAnswers(
    template: Item | undefined,
    answers: Record<string, unknown>,
    withDefaults: boolean,
  ): string[] {
    return surveyOf(template).flatMap(question => {
      const value = answers[String(question.variable)] ?? (withDefaults ? question.default : undefined)
      if (question.required && (value === undefined || value === '')) return [`'${question.variable}' value missing`]
      const choices = question.choices as string[] | undefined
      if (value !== undefined && question.type === 'multiplechoice' && !choices?.includes(String(value))) {
        return [`Value ${String(value)} for '${question.variable}' expected to be one of ${JSON.stringify(choices)}.`]
      }
      return []
    })
  }

  /** The items of a resource that match a query; an unknown field is refused. */
  function filter(resource: string, query: URLSearchParams): Item[] {
    const conditions = [...query]
      .filter(([key]) => !['page', 'page_size', 'order_by'].includes(key))
      .map(([key, value]) => ({
        any: key.startsWith('or__'),
        path: key.replace(/^or__/, '').split('__'),
        value,
      }))
    for (const { path } of conditions) if (resource !== 'unified_job_templates') checkPath(resource, path)
    const every = conditions.filter(({ any }) => !any)
    const some = conditions.filter(({ any }) => any)
    const holds = (item: Item) => (condition: { path: string[]; value: string }) =>
      matches(item, condition.path, condition.value)
    return all(resource).filter(item => every.every(holds(item)) && (some.length === 0 || some.some(holds(item))))
  }

  function checkPath(resource: string, [field = '', ...rest]: string[]): void {
    const { references, links, fields, type } = resources[resource] as Resource
    const target = links[field] ?? targetOf(references, field)
    if (target && target !== 'unified_job_templates' && rest.length > 0 && rest[0] !== 'in') {
      checkPath(target, rest)
    } else if (!target && !(field in fields) && !always.includes(field)) {
      throw new Answer(400, { detail: `${type} has no field named '${field}'` })
    }
  }

  // A job template's organisation is its project's, not a field of its own.
  const targetOf = (references: Resource['references'], field: string) =>
    references[field] ?? (field === 'organization' ? 'organizations' : undefined)
  const always = ['id', 'type', 'managed', 'namespace']

  function matches(item: Item, [field = '', ...rest]: string[], value: string): boolean {
    const { references, links, type } = of(item)
    if (links[field]) {
      return [...(item.links.get(field) ?? [])].some(id =>
        matches(items.get(id) as Item, rest.length > 0 ? rest : ['id'], value),
      )
    }
    const target = targetOf(references, field)
    if (target && rest.length > 0 && rest[0] !== 'in') {
      const next = get(target, item.values[field])
      return next !== undefined && matches(next, rest, value)
    }
    const own = field === 'id' ? item.id : field === 'type' ? type : item.values[field]
    const text = own === null || own === undefined ? '' : String(own)
    switch (rest[0]) {
      case undefined:
        return text === value || (typeof own === 'boolean' && text === value.toLowerCase())
      case 'in':
        return value.split(',').includes(text)
      case 'endswith':
        return text.endsWith(value)
      case 'startswith':
        return text.startsWith(value)
      case 'icontains':
        return text.toLowerCase().includes(value.toLowerCase())
      default:
        throw new Answer(400, { detail: `Unsupported lookup '${rest[0]}'` })
    }
  }

  function page(list: unknown[], url: URL): unknown {
    const size = Math.min(Number(url.searchParams.get('page_size') ?? pageSize), 200)
    const number = Number(url.searchParams.get('page') ?? 1)
    const next = new URL(url)
    next.searchParams.set('page', String(number + 1))
    return {
      count: list.length,
      next: number * size < list.length ? next.pathname + next.search : null,
      previous: null,
      results: list.slice((number - 1) * size, number * size),
    }
  }

  /** `Name++Organisation`, or a credential's `Name++Type+kind++Organisation`. */
  function named(resource: string, name: string): Item | undefined {
    const [own, ...parents] = name.split('++')
    return all(resource).find(item => {
      if (nameOf(item) !== own) return false
      const organisation = get('organizations', item.values.organization)
      if (resource === 'credentials') {
        const type = get('credential_types', item.values.credential_type)
        return parents[0] === `${type?.values.name}+${type?.values.kind}` && parents[1] === organisation?.values.name
      }
      return parents.length === 0 || parents[0] === organisation?.values.name
    })
  }

  function remove(item: Item): void {
    items.delete(item.id)
    for (const other of [...items.values()]) {
      for (const link of other.links.values()) link.delete(item.id)
      for (const [field, resource] of Object.entries(of(other).references)) {
        if (other.values[field] !== item.id || (resource !== item.resource && resource !== 'unified_job_templates'))
          continue
        if (of(other).fields[field]?.required) remove(other)
        else other.values[field] = null
      }
    }
  }

  function associate(item: Item, link: string, body: Record<string, unknown>): void {
    const target = of(item).links[link] as string
    const member = get(target, body.id)
    if (!member) refuse({ msg: `${target} with id ${String(body.id)} does not exist.` })
    const members = item.links.get(link) as Set<number>
    if (body.disassociate) {
      members.delete(member.id)
      return
    }
    if (link === 'credentials' && item.resource === 'job_templates') {
      const type = member.values.credential_type
      const other = [...members].find(id => items.get(id)?.values.credential_type === type)
      if (other !== undefined && other !== member.id) {
        refuse({ error: `Cannot assign multiple ${get('credential_types', type)?.values.name} credentials.` })
      }
    }
    members.add(member.id)
  }

  /** The jobs of a template, newest first. */
  const jobsOf = (template: number) => [...jobs.values()].filter(job => job.template.id === template).reverse()

  function launch(template: Item, body: Record<string, unknown>): Job {
    const given = (
      typeof body.extra_vars === 'string' ? JSON.parse(body.extra_vars) : (body.extra_vars ?? {})
    ) as Record<string, unknown>
    const missing = missingAnswers(template, given, true)
    if (missing.length > 0) refuse({ variables_needed_to_start: missing })
    const defaults = Object.fromEntries(surveyOf(template).map(q => [String(q.variable), q.default]))
    const asked = surveyVariables(template)
    const accepted = Object.entries(given).filter(
      ([key]) => asked.includes(key) || template.values.ask_variables_on_launch,
    )
    const events: string[] = []
    const stop = new AbortController()
    const extraVars = { ...defaults, ...Object.fromEntries(accepted) }
    const play = options.run ?? playNothing
    const name = String(template.values.name)
    const id = ++last
    const artifacts: Record<string, unknown> = {}
    const started = new Date().toISOString()
    const log = (line: string) => events.push(line)
    const ended = play({ template: name, id, extraVars, log, cancelled: stop.signal, artifacts }).then(status => {
      job.status = stop.signal.aborted ? 'canceled' : status
      job.finished = new Date().toISOString()
      return job.status as 'successful' | 'failed' | 'canceled'
    })
    const facts = { id, template, extraVars, artifacts, started, events, stop, ended }
    const job: Job = { ...facts, status: 'running', finished: null, notified: ended.then(() => notify(job)) }
    jobs.set(job.id, job)
    return job
  }

  /** Sends what the template's notifications say of the end; AWX counts whatever is no success as an error. */
  async function notify(job: Job): Promise<void> {
    const when = job.status === 'successful' ? 'success' : 'error'
    const { values, links } = job.template
    for (const id of links.get(`notification_templates_${when}`) ?? []) {
      const { name, messages, notification_type, notification_configuration } = (items.get(id) as Item).values
      const said = (messages as Record<string, Record<string, string> | null> | null)?.[when]
      if (!said) continue
      const context = {
        url: `http://127.0.0.1:${port}/#/jobs/playbook/${job.id}`,
        job: { ...showJob(job), limit: values.limit, artifacts: job.artifacts },
      }
      const text = await send(said, context, String(notification_type), notification_configuration as object)
      sent.push({ to: String(name), ...text })
    }
  }

  /** Sends what a workflow's notifications say of an approval; AWX sets these three names for it, and no job. */
  async function notifyOfApproval(template: Item, run: number, approval: string, status: string): Promise<void> {
    for (const id of template.links.get('notification_templates_approvals') ?? []) {
      const { name, messages, notification_type, notification_configuration } = (items.get(id) as Item).values
      const said = (messages as { workflow_approval?: Record<string, Record<string, string>> } | null)
        ?.workflow_approval?.[status]
      if (!said) continue
      const context = {
        approval_status: status,
        approval_node_name: approval,
        workflow_url: `http://127.0.0.1:${port}/#/jobs/workflow/${run}`,
      }
      const text = await send(said, context, String(notification_type), notification_configuration as object)
      sent.push({ to: String(name), ...text })
    }
  }

  function launchWorkflow(template: Item) {
    const members = (item: Item, link: string) => [...(item.links.get(link) ?? [])]
    const nodes = all('workflow_job_template_nodes').filter(node => node.values.workflow_job_template === template.id)
    const steps = nodes.map((node): Step => {
      const approval = get('workflow_approval_templates', node.values.unified_job_template)
      return {
        node: node.id,
        identifier: String(node.values.identifier),
        ...(approval && { approval: { name: String(approval.values.name), timeout: Number(approval.values.timeout) } }),
        next: {
          success_nodes: members(node, 'success_nodes'),
          failure_nodes: members(node, 'failure_nodes'),
          always_nodes: members(node, 'always_nodes'),
        },
      }
    })
    const begin = ({ node }: Step) => {
      const { values } = items.get(node) as Item
      const job = launch(get('job_templates', values.unified_job_template) as Item, { extra_vars: values.extra_data })
      const { id, stop, ended } = job
      return { id, name: String(job.template.values.name), stop, ended, status: () => job.status }
    }
    return workflows.launch(String(template.values.name), steps, begin, (run, approval, status) => {
      void notifyOfApproval(template, run, approval, status)
    })
  }

  function showJob(job: Job): Record<string, unknown> {
    const done = !['running', 'pending'].includes(job.status)
    return {
      id: job.id,
      job: job.id,
      type: 'job',
      url: `${base}/jobs/${job.id}/`,
      name: job.template.values.name,
      status: job.status,
      failed: done && job.status !== 'successful',
      job_template: job.template.id,
      started: job.started,
      finished: job.finished,
      event_processing_finished: done,
      extra_vars: JSON.stringify(job.extraVars),
      artifacts: job.artifacts,
      related: { job_events: `${base}/jobs/${job.id}/job_events/`, cancel: `${base}/jobs/${job.id}/cancel/` },
    }
  }

  async function answer(method: string, url: URL, body: Record<string, unknown>): Promise<Answer> {
    const [resource = '', id, sub] = decodeURIComponent(url.pathname.slice(base.length + 1))
      .split('/')
      .filter(Boolean)
    if (resource === 'ping') return new Answer(200, { version: '24.6.1', ha: false })
    if (resource === 'me') return page1([{ username: credentials.user, is_superuser: true }], url)
    if (resource === 'tokens') return tokenAnswer(method, id)
    if (resource === 'jobs') return jobAnswer(method, id, sub, url)
    if (resource === 'workflow_jobs' || resource === 'workflow_approvals') {
      const reply = workflows[resource === 'workflow_jobs' ? 'jobAnswer' : 'approvalAnswer'](method, Number(id), sub)
      return Array.isArray(reply.body) ? page1(reply.body, url) : new Answer(reply.status, reply.body)
    }
    if (resource === 'project_updates') return updateAnswer(Number(id))
    if (resource === 'roles') return roleAnswer(method, Number(id), sub, url, body)
    if (!resources[resource] && resource !== 'unified_job_templates') throw new Answer(404, { detail: 'Not found.' })
    if (id === undefined) {
      if (method === 'GET') return page1(filter(resource, url.searchParams).map(show), url)
      if (method !== 'POST' || !resources[resource])
        throw new Answer(405, { detail: `Method "${method}" not allowed.` })
      return new Answer(201, show(add(resource, accept(resource, body))))
    }
    const item = /^\d+$/.test(id) ? get(resource, id) : named(resource, id)
    if (!item) throw new Answer(404, { detail: 'Not found.' })
    if (sub !== undefined) return subAnswer(method, item, sub, url, body)
    switch (method) {
      case 'GET':
        return new Answer(200, show(item))
      case 'PATCH':
        Object.assign(item.values, accept(item.resource, body, item))
        return new Answer(200, show(item))
      case 'DELETE':
        if (item.values.managed) throw new Answer(403, { detail: 'Deletion not allowed for managed credential types' })
        remove(item)
        return new Answer(204)
      default:
        throw new Answer(405, { detail: `Method "${method}" not allowed.` })
    }
  }

  const page1 = (list: unknown[], url: URL) => new Answer(200, page(list, url))

  /** The permissions of a team, as AWX lists them: the role's title, and its object. */
  function rolesOf(team: Item): unknown[] {
    const titles: Record<string, string> = { approval: 'Approve', adhoc: 'Ad Hoc' }
    return [...items.values()].flatMap(item =>
      Object.entries(item.roles).flatMap(([role, id]) =>
        roleMembers.get(id)?.has(team.id)
          ? [
              {
                id,
                name: titles[role] ?? `${role.charAt(0).toUpperCase()}${role.slice(1)}`,
                summary_fields: { resource_name: nameOf(item), resource_type: of(item).type, resource_id: item.id },
              },
            ]
          : [],
      ),
    )
  }

  function subAnswer(method: string, item: Item, sub: string, url: URL, body: Record<string, unknown>): Answer {
    if (sub === 'update' && item.resource === 'projects' && method === 'POST') {
      const id = fetchProject(item)
      return new Answer(202, { id, project_update: id, status: 'pending', url: `${base}/project_updates/${id}/` })
    }
    if (sub === 'roles' && item.resource === 'teams') return page1(rolesOf(item), url)
    const members = item.links.get(sub)
    if (members) {
      if (method === 'GET')
        return page1(
          [...members].map(id => show(items.get(id) as Item)),
          url,
        )
      associate(item, sub, body)
      return new Answer(204)
    }
    if (sub === 'survey_spec') {
      if (method === 'GET') return new Answer(200, item.survey ?? {})
      if (method === 'DELETE') {
        delete item.survey
        return new Answer(200)
      }
      const complaint = surveyRefusal(body)
      if (complaint) refuse({ error: complaint })
      item.survey = body
      return new Answer(200)
    }
    if (sub === 'create_approval_template' && item.resource === 'workflow_job_template_nodes') {
      const approval = add('workflow_approval_templates', accept('workflow_approval_templates', body))
      item.values.unified_job_template = approval.id
      return new Answer(201, show(approval))
    }
    if (sub === 'launch' && item.resource === 'workflow_job_templates' && method === 'POST') {
      return new Answer(201, { ...workflows.show(launchWorkflow(item)), ignored_fields: {} })
    }
    if (sub === 'launch' && item.resource === 'job_templates') {
      if (method === 'GET') {
        return new Answer(200, {
          survey_enabled: item.values.survey_enabled,
          variables_needed_to_start: missingAnswers(item, {}, true),
        })
      }
      const job = launch(item, body)
      const asked = Object.keys((body.extra_vars ?? {}) as object)
      const ignored = asked.filter(key => !(key in job.extraVars))
      return new Answer(201, {
        ...showJob(job),
        ignored_fields: ignored.length > 0 ? { extra_vars: Object.fromEntries(ignored.map(key => [key, ''])) } : {},
      })
    }
    throw new Answer(404, { detail: 'Not found.' })
  }

  function tokenAnswer(method: string, id: string | undefined): Answer {
    if (method === 'DELETE') return new Answer(204)
    if (id !== undefined || method !== 'POST') throw new Answer(405, { detail: 'not allowed' })
    const token = crypto.randomUUID()
    tokens.add(token)
    return new Answer(201, { id: ++last, token })
  }

  function updateAnswer(id: number): Answer {
    const project = items.get(updates.get(id) ?? 0)
    if (!project) throw new Answer(404, { detail: 'Not found.' })
    const ended = { status: 'successful', failed: false, event_processing_finished: true }
    return new Answer(200, { id, type: 'project_update', ...ended, scm_revision: revisionOf(project) })
  }

  function jobAnswer(method: string, id: string | undefined, sub: string | undefined, url: URL): Answer {
    if (id === undefined) {
      const { job_template: template, order_by: order, ...others } = Object.fromEntries(url.searchParams)
      const unknown = Object.keys(others).find(key => !['page', 'page_size'].includes(key))
      if (unknown || order !== '-id') throw new Answer(400, { detail: `Unsupported query '${unknown ?? order}'` })
      return page1(jobsOf(Number(template)).map(showJob), url)
    }
    const job = jobs.get(Number(id))
    if (!job) throw new Answer(404, { detail: 'Not found.' })
    if (sub === undefined) return new Answer(200, showJob(job))
    if (sub === 'job_events') {
      const after = Number(url.searchParams.get('counter__gt') ?? 0)
      const events = job.events.map((stdout, index) => ({ counter: index + 1, stdout, event: 'verbose' }))
      return page1(events.slice(after), url)
    }
    if (sub === 'cancel') {
      if (job.status !== 'running') throw new Answer(405, { detail: 'Method "POST" not allowed.' })
      if (method === 'POST') job.stop.abort()
      return new Answer(202)
    }
    throw new Answer(404, { detail: 'Not found.' })
  }

  function roleAnswer(
    method: string,
    role: number,
    actors: string | undefined,
    url: URL,
    body: Record<string, unknown>,
  ): Answer {
    const members = roleMembers.get(role)
    if (!members || (actors !== 'teams' && actors !== 'users')) throw new Answer(404, { detail: 'Not found.' })
    if (method === 'GET') {
      return page1(
        [...members].flatMap(id => (get(actors, id) ? [show(get(actors, id) as Item)] : [])),
        url,
      )
    }
    if (!get(actors, body.id)) refuse({ msg: `${actors} with id ${String(body.id)} does not exist.` })
    if (body.disassociate) members.delete(Number(body.id))
    else members.add(Number(body.id))
    return new Answer(204)
  }

  function authorised(request: IncomingMessage): boolean {
    const [scheme, value = ''] = (request.headers.authorization ?? '').split(' ')
    if (scheme === 'Bearer') return tokens.has(value)
    return scheme === 'Basic' && atob(value) === `${credentials.user}:${credentials.password}`
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stand-in')
    const method = request.method ?? 'GET'
    let result: Answer
    try {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const text = Buffer.concat(chunks).toString()
      if (!url.pathname.startsWith(`${base}/`)) throw new Answer(404, { detail: 'Not found.' })
      if (!authorised(request)) throw new Answer(401, { detail: 'Authentication credentials were not provided.' })
      result = await answer(method, url, text ? JSON.parse(text) : {})
    } catch (error) {
      result = error instanceof Answer ? error : new Answer(500, { detail: String(error) })
    }
    seen.push(`${method} ${url.pathname.slice(base.length)} ${result.status}`)
    response.writeHead(result.status, {
      'Content-Type': 'application/json',
      'X-API-Product-Name': 'AWX',
      'X-API-Product-Version': '24.6.1',
    })
    response.end(result.body === undefined ? '' : JSON.stringify(result.body))
  }

  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const byName = (resource: string, name: string) => all(resource).find(item => nameOf(item) === name)

  return {
    url: `http://127.0.0.1:${port}`,
    ...credentials,
    requests: () => {
      const requests = seen
      seen = []
      return requests
    },
    find: (resource, name) => {
      const item = byName(resource, name)
      return item && show(item)
    },
    change: (resource, name, fields) => {
      const item = byName(resource, name)
      if (!item) throw new Error(`the stand-in has no ${resource} ${name}`)
      Object.assign(item.values, accept(resource, fields, item))
    },
    sent: () => sent,
    idle: async () => {
      for (const job of jobs.values()) await job.notified
    },
    close: async () => {
      workflows.stop()
      for (const job of jobs.values()) job.stop.abort()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
