import { setTimeout as sleep } from 'node:timers/promises'
import { exitCodes, Failure } from '../report/failure.ts'
import type { Controller, LiveObject } from './controller.ts'
import type { JobTemplate } from './definitions.ts'
import { answersTo } from './launchLocal.ts'

/** How a launch on AWX is watched. */
export interface WatchOptions {
  /** Answers to the survey, by variable. */
  readonly answers: Readonly<Record<string, string>>
  /** Takes the job's output, a line at a time, as AWX has it. */
  readonly log: (line: string) => void
  /** Takes a line of progress: the job's number and address, each change of its status. */
  readonly progress: (line: string) => void
  /** Somebody wants to stop: `confirmCancel` is asked, once. */
  readonly interrupt: AbortSignal
  /** Whether the job is to be cancelled; otherwise it is left to run on, and no longer watched. */
  readonly confirmCancel: () => Promise<boolean>
  /** How often AWX is asked, in milliseconds. */
  readonly poll?: number
}

/** How the job ended: AWX's status, or `left` where it runs on unwatched. */
export interface JobEnd {
  readonly status: 'successful' | 'failed' | 'error' | 'canceled' | 'left'
  /** The job's page for people. */
  readonly address: string
}

interface JobEvent {
  readonly counter: number
  readonly stdout: string
}

const final = ['successful', 'failed', 'error', 'canceled']

/**
 * Launches a job template on AWX and follows it to its end.
 *
 * @throws Failure where AWX cannot be reached, has no such template, or refuses the answers
 */
export async function launchOnController(
  controller: Controller,
  template: JobTemplate,
  options: WatchOptions,
): Promise<JobEnd> {
  const extraVars = answersTo(template, options.answers)
  const [live] = await controller.list('job_templates/', {
    name: template.name,
    organization__name: template.organization,
  })
  if (!live) {
    throw new Failure(
      exitCodes.findings,
      `AWX at ${controller.host} has no job template \`${template.name}\` in the organisation ${template.organization}`,
      'run playbooks/configure-awx.yml; `npm run plan -- --only awx` shows what is missing',
    )
  }
  const job = await controller.post(`${live.url}launch/`, { extra_vars: extraVars })
  const ignored = Object.keys((job.ignored_fields as { extra_vars?: object } | undefined)?.extra_vars ?? {})
  if (ignored.length > 0) {
    options.progress(`AWX ignores ${ignored.join(', ')}: its survey is not as the config has it`)
  }
  return follow(controller, job, options)
}

async function follow(controller: Controller, job: LiveObject, options: WatchOptions): Promise<JobEnd> {
  const address = `${controller.host.replace(/\/$/, '')}/#/jobs/playbook/${job.id}/output`
  const poll = options.poll ?? 1000
  let counter = 0
  let known = ''
  let asked = false
  options.progress(`job ${job.id}: ${address}`)
  for (;;) {
    // The status first: what is printed between the two reads is then read before the job counts as ended.
    const { status, event_processing_finished: complete } = await controller.get<{
      status: string
      event_processing_finished: boolean
    }>(`jobs/${job.id}/`)
    if (status !== known) options.progress(`job ${job.id} is ${status}`)
    known = status
    const events = await controller.list<JobEvent>(`jobs/${job.id}/job_events/`, {
      order_by: 'counter',
      counter__gt: String(counter),
    })
    const ended = final.includes(status) && complete
    for (const event of events) {
      // AWX writes events side by side: one that is not there yet comes before those that are.
      if (event.counter !== counter + 1 && !ended) break
      counter = event.counter
      if (event.stdout !== '') for (const line of event.stdout.split(/\r?\n/)) options.log(line)
    }
    if (ended) return { status: status as JobEnd['status'], address }
    if (options.interrupt.aborted && !asked) {
      asked = true
      if (!(await options.confirmCancel())) return { status: 'left', address }
      await cancel(controller, job)
      continue
    }
    await sleep(poll, undefined, asked ? {} : { signal: options.interrupt }).catch(() => {})
  }
}

/** A job that ended meanwhile cannot be cancelled, and need not be. */
async function cancel(controller: Controller, job: LiveObject): Promise<void> {
  try {
    await controller.post(`jobs/${job.id}/cancel/`)
  } catch (error) {
    if ((error as { status?: number }).status !== 405) throw error
  }
}
