import { Unsafe } from '../ansible/yaml.ts'
import type { Config } from '../config/index.ts'
import { marked } from './mark.ts'
import type { Message, NotificationTemplate } from './vocabulary.ts'

/** The notification templates of a config: one for each way to tell somebody. */
export function notificationTemplates({ organisation, notifications }: Config, name: string): NotificationTemplate[] {
  const { webhook, mattermost, slack, email } = notifications
  const common = {
    organization: organisation,
    description: marked('Says what failed, and what is well again'),
    sources: {},
  }
  return [
    ...(webhook === undefined
      ? []
      : [
          {
            ...common,
            name,
            notification_type: 'webhook' as const,
            notification_configuration: {
              url: webhook,
              http_method: 'POST',
              headers: { 'Content-Type': 'application/json' },
              disable_ssl_verification: false,
              username: '',
              password: '',
            },
            messages: messages(
              lines => ({ body: json(ofJob, lines) }),
              lines => ({ body: json(ofApproval, lines) }),
            ),
          },
        ]),
    ...(mattermost === undefined
      ? []
      : [
          {
            ...common,
            name: `${name}: Mattermost`,
            notification_type: 'mattermost' as const,
            notification_configuration: {
              mattermost_url: mattermost,
              mattermost_no_verify_ssl: false,
            },
            messages: messages(lines => ({ message: line(lines) })),
          },
        ]),
    ...(slack === undefined
      ? []
      : [
          {
            ...common,
            name: `${name}: Slack`,
            notification_type: 'slack' as const,
            notification_configuration: { channels: slack.channels, token: '' },
            sources: { token: 'NOTIFICATION_SLACK_TOKEN' },
            messages: messages(lines => ({ message: line(lines) })),
          },
        ]),
    ...(email === undefined
      ? []
      : [
          {
            ...common,
            name: `${name}: mail`,
            notification_type: 'email' as const,
            notification_configuration: {
              host: email.host,
              port: email.port,
              username: email.username ?? '',
              password: '',
              use_tls: email.encryption === 'starttls',
              use_ssl: email.encryption === 'tls',
              sender: email.sender,
              recipients: email.recipients,
              timeout: 30,
            },
            sources: email.username === undefined ? {} : { password: 'NOTIFICATION_EMAIL_PASSWORD' },
            messages: messages(lines => ({ message: new Unsafe(lines[0]), body: text(lines) })),
          },
        ]),
  ]
}

type Lines = readonly [subject: string, ...more: string[]]

// The limit of a job is its system, or the cluster that it deploys to; a workflow has none.
const system = 'job.limit | default(job.name, true)'

// Which system, since when, how bad, what to do.
const error: Lines = [
  `{{ ${system} }}: "{{ job.name }}" has failed`,
  'Since {{ job.finished }} (it began at {{ job.started }}).',
  'The copies that were there before are not affected; `npm run status` says how old the newest is.',
  'To do: read the last lines of {{ url }}; they name the cause and the next step. docs/FINDINGS.md and docs/RUNBOOK.md say more.',
]

// What "Well again" says of itself by its artifacts; any other job that succeeds is reported only if the config asks for it.
const artifact = (name: string, otherwise: string) =>
  `{{ (job.artifacts | default({})).${name} | default(${otherwise}) }}`
const success: Lines = [
  `${artifact('well_again_system', system)}: ${artifact('well_again_what', "'the job ' ~ job.name ~ ' has succeeded'")}`,
  artifact('well_again_since', "'Since ' ~ job.finished ~ ' (it began at ' ~ job.started ~ ').'"),
  artifact('well_again_bad', "''"),
  'To do: nothing. {{ url }} has the log.',
]

// AWX sets for an approval: `approval_node_name`, `approval_status` and `workflow_url`, and nothing of a job.
const approval = '"{{ approval_node_name }}"'
const approvals: Readonly<Record<keyof NotificationTemplate['messages']['workflow_approval'], Lines>> = {
  running: [
    `${approval} waits for an answer`,
    'The recovery does nothing until then, and fails if nobody answers in time.',
    'To do: look at what the steps before it restored, then approve or deny it at {{ workflow_url }}.',
  ],
  approved: [
    `${approval} is approved`,
    'The recovery continues.',
    'To do: nothing. {{ workflow_url }} shows its steps.',
  ],
  denied: [
    `${approval} is denied`,
    'The recovery has ended; what it restored before stays.',
    'To do: see docs/RUNBOOK.md for the steps that are left. {{ workflow_url }} shows those that are done.',
  ],
  timed_out: [
    `${approval} has had no answer in time`,
    'The recovery has ended; what it restored before stays.',
    'To do: see docs/RUNBOOK.md for the steps that are left. {{ workflow_url }} shows those that are done.',
  ],
}

/** AWX's own text for what starts, which is sent only if the config asks for it. */
function messages(
  form: (lines: Lines) => Message,
  ofApprovals: (lines: Lines) => Message = form,
): NotificationTemplate['messages'] {
  const workflow_approval = {
    running: ofApprovals(approvals.running),
    approved: ofApprovals(approvals.approved),
    denied: ofApprovals(approvals.denied),
    timed_out: ofApprovals(approvals.timed_out),
  }
  return { started: null, success: form(success), error: form(error), workflow_approval }
}

const text = (lines: Lines) => new Unsafe(lines.join('\n'))
// AWX refuses a line break in a message.
const line = ([subject, ...more]: Lines) => new Unsafe([`${subject}.`, ...more].join(' '))

// What every message has as fields of its own, for programs.
const ofJob = {
  id: '{{ job.id }}',
  job: '{{ job.name }}',
  system: artifact('well_again_system', system),
  status: '{{ job.status }}',
  started: '{{ job.started }}',
  finished: '{{ job.finished }}',
  url: '{{ url }}',
}
const ofApproval = { job: '{{ approval_node_name }}', status: '{{ approval_status }}', url: '{{ workflow_url }}' }

/** The body of a webhook has to be JSON once AWX has filled it in, so no value may hold a quote: names are ours. */
function json(fields: Readonly<Record<string, string>>, [subject, ...more]: Lines): Unsafe {
  return new Unsafe(JSON.stringify({ ...fields, text: line([subject.replaceAll('"', "'"), ...more]).text }))
}
