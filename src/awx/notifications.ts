import { Unsafe } from '../ansible/yaml.ts'
import type { Config } from '../config/index.ts'
import { marked } from './mark.ts'
import type { NotificationTemplate } from './vocabulary.ts'

/** The notification templates of a config: one for each way to tell somebody. */
export function notificationTemplates({ organisation, notifications }: Config, name: string): NotificationTemplate[] {
  const { webhook, mattermost, slack, email } = notifications
  const common = { organization: organisation, description: marked('Says which job failed'), sources: {} }
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
            messages: messages(lines => ({ body: json(lines) })),
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
            messages: messages(lines => ({ message: text(lines) })),
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
            messages: messages(lines => ({ message: text(lines) })),
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

// Which system, since when, how bad, what to do. The limit of a job is its system, or the cluster that it deploys to.
const error: Lines = [
  '{{ job.limit }}: "{{ job.name }}" has failed',
  'Since {{ job.finished }} (it began at {{ job.started }}).',
  'The copies that were there before are not affected; `npm run status` says how old the newest is.',
  'To do: read the last lines of {{ url }}; they name the cause and the next step. docs/FINDINGS.md and docs/RUNBOOK.md say more.',
]

/** AWX's own texts but for failures. */
function messages(form: (lines: Lines) => Readonly<Record<string, string | Unsafe>>): NotificationTemplate['messages'] {
  return { started: null, success: null, error: form(error), workflow_approval: null }
}

const text = (lines: Lines) => new Unsafe(lines.join('\n'))

/** The body of a webhook has to be JSON once AWX has filled it in, so no value may hold a quote: names are ours. */
function json([subject, ...more]: Lines): Unsafe {
  const fields = { id: '{{ job.id }}', job: '{{ job.name }}', system: '{{ job.limit }}', status: '{{ job.status }}' }
  const said = { text: [subject.replaceAll('"', "'"), ...more].join(' ') }
  const times = { started: '{{ job.started }}', finished: '{{ job.finished }}', url: '{{ url }}' }
  return new Unsafe(JSON.stringify({ ...fields, ...times, ...said }))
}
