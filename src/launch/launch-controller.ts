import { setTimeout as sleep } from 'node:timers/promises'
import { type Controller, ControllerRefusal, type LiveObject } from '../awx/controller.ts'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import { isWorkflow, type Launchable, surveyAnswers } from './launchable.ts'

/** How a launch on AWX is watched. */
export interface WatchOptions {
  /** Answers to the survey, by variable. */
  readonly answers: Readonly<Record<string, string>>
  /** Takes the output of the job, or of the workflow's jobs, a line at a time, as AWX has it. */
  readonly log: (line: string) => void
  /** Takes a line of progress: where to see it on AWX, each change of its status, each step of a workflow. */
  readonly progress: (line: string) => void
  /** Aborted when the user wants to stop: `confirmCancel` is called, once. */
  readonly interrupt: AbortSignal
  /** Whether to cancel the job; otherwise it continues, unwatched. */
  readonly confirmCancel: () => Promise<boolean>
  /** How often AWX is asked, in milliseconds. */
  readonly poll?: number
}

/** How the job or workflow ended: AWX's status, or `left` if it continues unwatched. */
export interface JobEnd {
  readonly status: 'successful' | 'failed' | 'error' | 'canceled' | 'left'
  /** Its page for people. */
  readonly address: string
}

/** Polls something on AWX once and reports what is new; returns its status when it has ended. */
type Look = () => Promise<string | undefined>

const final = ['successful', 'failed', 'error', 'canceled']

/**
 * Launches a job template or a workflow on AWX and follows it to its end.
 *
 * @throws CommandFailure if AWX cannot be reached, has no such template, or refuses the answers; once the job is launched, the
 *   message says that it continues
 */
export async function launchOnController(
  controller: Controller,
  launchable: Launchable,
  options: WatchOptions,
): Promise<JobEnd> {
  const extraVars = surveyAnswers(launchable, options.answers)
  const workflow = isWorkflow(launchable)
  const [live] = await controller.list(workflow ? 'workflow_job_templates/' : 'job_templates/', {
    name: launchable.name,
    organization__name: launchable.organization,
  })
  if (!live) {
    throw new CommandFailure(
      exitCodes.findings,
      `AWX at ${controller.host} has no ${workflow ? 'workflow' : 'job template'} \`${launchable.name}\` in the organisation ${launchable.organization}`,
      'run `npm run configure`; `npm run plan -- --only awx` shows what is missing',
    )
  }
  const job = await launched(controller, live, launchable.name, workflow ? {} : { extra_vars: extraVars })
  const ignored = Object.keys((job.ignored_fields as { extra_vars?: object } | undefined)?.extra_vars ?? {})
  if (ignored.length > 0) {
    options.progress(`AWX ignores ${ignored.join(', ')}: its survey is not the one of the config`)
  }
  const address = page(controller, workflow ? 'jobs/workflow' : 'jobs/playbook', job.id)
  const title = `${workflow ? 'workflow' : 'job'} ${job.id}`
  options.progress(`${title}: ${address}`)
  const look = workflow ? lookAtWorkflow(controller, job, options) : lookAtJob(controller, job.id, title, options)
  try {
    const status = await watch(look, () => cancel(controller, job), options)
    return { status: status as JobEnd['status'], address }
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error
    throw new CommandFailure(
      exitCodes.unreachable,
      `${title} can no longer be watched, and continues on AWX: ${error.message}`,
      `see ${address} for how it ends`,
      { cause: error },
    )
  }
}

/** Launches, once: a second try could be a second job. */
async function launched(controller: Controller, live: LiveObject, name: string, body: unknown): Promise<LiveObject> {
  try {
    return await controller.post(`${live.url}launch/`, body)
  } catch (error) {
    if (error instanceof ControllerRefusal || !(error instanceof CommandFailure)) throw error
    throw new CommandFailure(
      exitCodes.unreachable,
      `whether \`${name}\` was launched is not known: ${error.message}`,
      `see ${controller.host}/#/jobs before you launch it again`,
      { cause: error },
    )
  }
}

/** Something's page for people. */
function page({ host }: Controller, kind: string, id: number): string {
  return `${host}/#/${kind}/${id}/${kind === 'workflow_approvals' ? 'details' : 'output'}`
}

/** Polls until the end, or until the user stops watching. */
async function watch(look: Look, cancel: () => Promise<void>, options: WatchOptions): Promise<string> {
  const { interrupt, confirmCancel, poll = 1000 } = options
  let asked = false
  for (;;) {
    const ended = await look()
    if (ended !== undefined) return ended
    if (interrupt.aborted && !asked) {
      asked = true
      if (!(await confirmCancel())) return 'left'
      await cancel()
      continue
    }
    await sleep(poll, undefined, asked ? {} : { signal: interrupt }).catch(() => {})
  }
}

interface JobEvent {
  readonly counter: number
  readonly stdout: string
}

/** Follows a job's status and output. */
function lookAtJob(controller: Controller, id: number, name: string, { log, progress }: WatchOptions): Look {
  const changes = changesOf(name, progress)
  let counter = 0
  return async () => {
    // The status first: what is printed between the two reads is then read before the job counts as ended.
    const { status, event_processing_finished: complete } = await controller.get<{
      status: string
      event_processing_finished: boolean
    }>(`jobs/${id}/`)
    changes(status)
    const events = await controller.list<JobEvent>(`jobs/${id}/job_events/`, {
      order_by: 'counter',
      counter__gt: String(counter),
    })
    const ended = final.includes(status) && complete
    for (const event of events) {
      // AWX writes events side by side: one that is not there yet comes before those that are.
      if (event.counter !== counter + 1 && !ended) break
      counter = event.counter
      if (event.stdout !== '') for (const line of event.stdout.split(/\r?\n/)) log(line)
    }
    return ended ? status : undefined
  }
}

/** A step of a running workflow: `job` is null until AWX starts it, and stays null if no path leads to it. */
interface RunningNode {
  readonly id: number
  readonly job: number | null
  readonly summary_fields: { readonly job?: { readonly name: string; readonly type: string } }
}

/** Follows a workflow: each of its steps as AWX begins it, the jobs' output, the approvals that it waits for. */
function lookAtWorkflow(controller: Controller, job: LiveObject, options: WatchOptions): Look {
  const changes = changesOf(`workflow ${job.id}`, options.progress)
  const steps = new Map<number, Look>()
  const done = new Set<number>()
  return async () => {
    const { status } = await controller.get<{ status: string }>(`workflow_jobs/${job.id}/`)
    if (!final.includes(status)) changes(status)
    const nodes = await controller.list<RunningNode>(`workflow_jobs/${job.id}/workflow_nodes/`, { order_by: 'id' })
    for (const node of nodes) {
      if (node.job === null || done.has(node.id)) continue
      const look = steps.get(node.id) ?? lookAtStep(controller, node.job, node, options)
      steps.set(node.id, look)
      if ((await look()) !== undefined) done.add(node.id)
    }
    // Of its last job AWX may still be writing the output.
    if (!final.includes(status) || steps.size !== done.size) return undefined
    changes(status)
    return status
  }
}

function lookAtStep(controller: Controller, id: number, node: RunningNode, options: WatchOptions): Look {
  const { name, type } = node.summary_fields.job ?? { name: `step ${id}`, type: 'job' }
  if (type === 'workflow_approval') return lookAtApproval(controller, id, name, options)
  options.progress(`${name}: job ${id}: ${page(controller, 'jobs/playbook', id)}`)
  return lookAtJob(controller, id, name, options)
}

interface Approval {
  readonly status: string
  readonly timed_out: boolean
  /** When AWX gives up waiting; null for never. */
  readonly approval_expiration: string | null
}

/** Follows an approval, and says where to give it. */
function lookAtApproval(controller: Controller, id: number, name: string, { progress }: WatchOptions): Look {
  const address = page(controller, 'workflow_approvals', id)
  let told = false
  return async () => {
    const {
      status,
      timed_out: timedOut,
      approval_expiration: until,
    } = await controller.get<Approval>(`workflow_approvals/${id}/`)
    if (final.includes(status)) {
      const how = { successful: 'approved', failed: timedOut ? 'not answered in time' : 'denied' }[status] ?? status
      progress(`${name}: ${how}`)
      return status
    }
    if (!told) progress(`${name}: waits${until ? ` until ${until}` : ''} for a person to approve or deny at ${address}`)
    told = true
    return undefined
  }
}

/** Reports a status when it changes. */
function changesOf(name: string, progress: (line: string) => void): (status: string) => void {
  let known = ''
  return status => {
    if (status !== known) progress(`${name} is ${status}`)
    known = status
  }
}

/** A job that has ended meanwhile cannot be cancelled, and need not be. */
async function cancel(controller: Controller, job: LiveObject): Promise<void> {
  try {
    await controller.post(`${job.url}cancel/`)
  } catch (error) {
    if ((error as { status?: number }).status !== 405) throw error
  }
}
