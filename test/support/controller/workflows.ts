import { setTimeout as sleep } from 'node:timers/promises'

/** How a step of a workflow ended. */
type Ended = 'successful' | 'failed' | 'canceled'

/** The fields of a workflow template's node that matter for running it. */
export interface Step {
  readonly node: number
  readonly identifier: string
  /** Seconds until an approval times out, 0 for never; undefined for a job. */
  readonly approval?: { readonly name: string; readonly timeout: number }
  readonly next: Readonly<Record<'success_nodes' | 'failure_nodes' | 'always_nodes', readonly number[]>>
}

/** A job that a step started. */
export interface StepJob {
  readonly id: number
  readonly name: string
  readonly ended: Promise<Ended>
  readonly stop: AbortController
  readonly status: () => string
}

interface Approval {
  readonly id: number
  readonly name: string
  readonly created: number
  readonly timeout: number
  status: string
  timedOut: boolean
  readonly stop: AbortController
}

interface Run {
  readonly id: number
  readonly name: string
  status: string
  readonly stop: AbortController
  readonly nodes: { readonly id: number; readonly step: Step; job?: StepJob | Approval }[]
}

/**
 * Workflow jobs and their approvals, as AWX shows them: `workflow_jobs/<id>/`, its `workflow_nodes/` and `cancel/`, and
 * `workflow_approvals/<id>/` with `approve/` and `deny/`. A node with two parents runs after the first one that leads
 * to it.
 */
export function workflowRuns(number: () => number) {
  const runs = new Map<number, Run>()
  const approvals = new Map<number, Approval>()

  /** Starts a workflow; `begin` launches the job template of a step, `tell` gets each approval and what becomes of it. */
  function launch(
    name: string,
    steps: readonly Step[],
    begin: (step: Step) => StepJob,
    tell: (run: number, approval: string, status: 'running' | 'approved' | 'denied' | 'timed_out') => void,
  ): Run {
    const nodes = steps.map(step => ({ id: number(), step }) as Run['nodes'][number])
    const run: Run = { id: number(), name, status: 'running', stop: new AbortController(), nodes }
    runs.set(run.id, run)
    void play(run, begin, tell)
    return run
  }

  async function play(run: Run, begin: (step: Step) => StepJob, tell: Parameters<typeof launch>[3]): Promise<void> {
    let red = false
    const begun = new Set<number>()
    const to = async (node: Run['nodes'][number]): Promise<void> => {
      if (begun.has(node.id) || run.stop.signal.aborted) return
      begun.add(node.id)
      const job = node.step.approval ? ask(node.step.approval) : begin(node.step)
      node.job = job
      run.stop.signal.addEventListener('abort', () => job.stop.abort())
      if (!('ended' in job)) tell(run.id, job.name, 'running')
      const ended = 'ended' in job ? await job.ended : await answered(job)
      if (!('ended' in job) && ended !== 'canceled') {
        tell(run.id, job.name, ended === 'successful' ? 'approved' : job.timedOut ? 'timed_out' : 'denied')
      }
      const { success_nodes, failure_nodes, always_nodes } = node.step.next
      if (ended !== 'successful' && failure_nodes.length + always_nodes.length === 0) red = true
      for (const next of [...(ended === 'successful' ? success_nodes : failure_nodes), ...always_nodes]) {
        const found = run.nodes.find(other => other.step.node === next)
        if (found) await to(found)
      }
    }
    const led = new Set(run.nodes.flatMap(({ step }) => Object.values(step.next).flat()))
    for (const node of run.nodes) if (!led.has(node.step.node)) await to(node)
    run.status = run.stop.signal.aborted ? 'canceled' : red ? 'failed' : 'successful'
  }

  function ask({ name, timeout }: NonNullable<Step['approval']>): Approval {
    const stop = new AbortController()
    const created = Date.now()
    const approval = { id: number(), name, created, timeout, status: 'pending', timedOut: false, stop }
    approvals.set(approval.id, approval)
    return approval
  }

  async function answered(approval: Approval): Promise<Ended> {
    while (approval.status === 'pending') {
      await sleep(5)
      if (approval.status !== 'pending') break
      if (approval.stop.signal.aborted) approval.status = 'canceled'
      else if (approval.timeout > 0 && Date.now() > approval.created + approval.timeout * 1000) {
        approval.status = 'failed'
        approval.timedOut = true
      }
    }
    return approval.status as Ended
  }

  const show = (run: Run) => ({
    id: run.id,
    workflow_job: run.id,
    type: 'workflow_job',
    url: `/api/v2/workflow_jobs/${run.id}/`,
    name: run.name,
    status: run.status,
    failed: !['running', 'successful'].includes(run.status),
    related: { workflow_nodes: `/api/v2/workflow_jobs/${run.id}/workflow_nodes/` },
    summary_fields: {},
  })

  const showNode = (run: Run) => (node: Run['nodes'][number]) => {
    const type = node.step.approval ? 'workflow_approval' : 'job'
    const status = node.job && (typeof node.job.status === 'function' ? node.job.status() : node.job.status)
    return {
      id: node.id,
      workflow_job: run.id,
      identifier: node.step.identifier,
      job: node.job?.id ?? null,
      do_not_run: run.status !== 'running' && !node.job,
      summary_fields: node.job ? { job: { id: node.job.id, name: node.job.name, type, status } } : {},
    }
  }

  const showApproval = (approval: Approval) => ({
    id: approval.id,
    type: 'workflow_approval',
    url: `/api/v2/workflow_approvals/${approval.id}/`,
    name: approval.name,
    status: approval.status,
    timed_out: approval.timedOut,
    can_approve_or_deny: approval.status === 'pending',
    approval_expiration:
      approval.status === 'pending' && approval.timeout > 0
        ? new Date(approval.created + approval.timeout * 1000).toISOString()
        : null,
  })

  /** Answers a request below `workflow_jobs/`: a status, and a body or a list to be paged. */
  function jobAnswer(method: string, id: number, sub: string | undefined): { status: number; body?: unknown } {
    const run = runs.get(id)
    if (!run) return { status: 404, body: { detail: 'Not found.' } }
    if (sub === undefined) return { status: 200, body: show(run) }
    if (sub === 'workflow_nodes') return { status: 200, body: run.nodes.map(showNode(run)) }
    if (sub === 'cancel') {
      if (run.status !== 'running') return { status: 405, body: { detail: `Method "${method}" not allowed.` } }
      run.stop.abort()
      return { status: 202 }
    }
    return { status: 404, body: { detail: 'Not found.' } }
  }

  /** Answers a request below `workflow_approvals/`. */
  function approvalAnswer(method: string, id: number, sub: string | undefined): { status: number; body?: unknown } {
    const approval = approvals.get(id)
    if (!approval) return { status: 404, body: { detail: 'Not found.' } }
    if (sub === undefined) return { status: 200, body: showApproval(approval) }
    if (method !== 'POST' || (sub !== 'approve' && sub !== 'deny')) return { status: 404 }
    if (approval.status !== 'pending') {
      return { status: 400, body: { error: 'This workflow step has already been approved or denied.' } }
    }
    approval.status = sub === 'approve' ? 'successful' : 'failed'
    return { status: 204 }
  }

  const stop = () => {
    for (const run of runs.values()) run.stop.abort()
  }
  return { launch, show, jobAnswer, approvalAnswer, stop }
}
