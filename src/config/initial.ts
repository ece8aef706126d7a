import { relative, sep } from 'node:path'
import { formats } from './formats.ts'

/** One question of `backups init`. */
export interface Question {
  /** Also the name of the option that answers it. */
  readonly name: string
  readonly ask: string
  /** An empty text: it may stay unanswered. Missing: it must be answered. */
  readonly suggestion?: string
  /** The format of its answer, by its name in `formats`; `name`: that of a system or cluster. */
  readonly format?: string
}

/** What a first config needs to be told; everything else has a place in it that a comment names. */
export const questions: readonly Question[] = [
  { name: 'organisation', ask: 'Organisation on AWX', suggestion: 'Fragalysis' },
  { name: 'repository', ask: 'Address of this git repository, from which AWX fetches it', format: 'repository' },
  { name: 'agent-image', ask: "The agent's image, with a version", format: 'image' },
  { name: 'store', ask: 'Address of the S3 store', format: 'http-address' },
  { name: 'webhook', ask: 'Address that AWX posts failed jobs to', format: 'http-address' },
  { name: 'cluster', ask: 'Name of the Kubernetes cluster', suggestion: 'production', format: 'name' },
  { name: 'api', ask: 'Address of its API', format: 'http-address' },
  { name: 'namespace', ask: 'Namespace of the first database', format: 'kubernetes-namespace' },
  { name: 'service', ask: "The PostgreSQL server's Service", suggestion: 'database', format: 'kubernetes-service' },
  { name: 'user', ask: "The server's admin user", suggestion: 'postgres', format: 'postgres-name' },
  { name: 'secret', ask: 'Secret with its password', suggestion: 'database', format: 'kubernetes-name' },
  { name: 'key', ask: 'Key in that Secret', suggestion: 'root_password', format: 'kubernetes-secret-key' },
  { name: 'bucket', ask: 'Bucket for its dumps', format: 'bucket' },
  {
    name: 'recipient',
    ask: 'Public age key of an operator, for a kit that keeps that Secret (empty: no kit yet)',
    suggestion: '',
    format: 'age-recipient',
  },
]

/** What is wrong with an answer, to be shown to who gave it; `undefined` if nothing is. */
export function wrongAnswer({ name, format, suggestion }: Question, answer: string): string | undefined {
  if (answer === '') return suggestion === '' ? undefined : 'write an answer'
  if (format === undefined) return undefined
  if (format === 'name') {
    if (/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(answer)) return undefined
    return 'write lower-case letters, digits and hyphens; at most 40 characters'
  }
  const { accepts, means } = formats[format] ?? { accepts: () => true, means: '' }
  if (!accepts(answer)) return `write ${means}`
  if (name === 'store' && !/^https?:\/\/[^/?#]+\/?$/.test(answer)) return 'write scheme and host only, no path'
  if (name === 'api' && !answer.startsWith('https://')) return 'write an https address'
  if (name === 'agent-image' && !/:[^:/]+$/.test(answer)) return 'name a version: `registry/name:1.2.3`'
  return undefined
}

/**
 * The text of a first config: one cluster, one database and, if there is a key, the kit of its Secret.
 *
 * @param answers an answer to each of `questions`
 * @param folder the folder that it will be written to
 * @param project the project's root
 */
export function initialConfig(answers: Readonly<Record<string, string>>, folder: string, project: string): string {
  const given = (name: string) => JSON.stringify(answers[name] ?? '')
  const path = relative(folder, `${project}/src/config/index.ts`).split(sep).join('/')
  const named = (answers.namespace ?? '').slice(0, 30).replace(/-+$/, '')
  const [image = ''] = /^.*(?=@)|^.*/.exec(answers['agent-image'] ?? '') ?? []
  const kit = `    {
      kind: 'kit',
      name: ${JSON.stringify(`kit-${named}`)},
      description: ${JSON.stringify(`The Secrets of the database in ${answers.namespace}, and the config`)},
      schedule: { every: 'day', at: '03:37' },
      keep: 28,
      bucket: ${JSON.stringify(`${(answers.bucket ?? '').slice(0, 50).replace(/[.-]+$/, '')}-kit`)},
      cluster: ${given('cluster')},
      namespace: ${given('namespace')},
      secrets: [{ name: ${given('secret')}, keys: [${given('key')}] }],
      recipients: [${given('recipient')}],
    },
`
  return `import { defineConfig } from '${path.startsWith('.') ? path : `./${path}`}'

// Written by \`backups init\`. Your editor explains each field; docs/reference/config.md lists them all.
export default defineConfig({
  organisation: ${given('organisation')},
  repository: { url: ${given('repository')}, branch: 'main' },
  executionEnvironment: 'quay.io/ansible/awx-ee:24.6.1',
  agent: { image: ${JSON.stringify(answers['agent-image'])}, drillImage: ${JSON.stringify(`${image}-drill`)} },
  store: { endpoint: ${given('store')}, region: 'us-east-1', provider: 'Ceph' },
  clusters: [{ name: ${given('cluster')}, environment: ${given('cluster')}, api: ${given('api')} }],
  notifications: { webhook: ${given('webhook')} },
  systems: [
    {
      kind: 'database',
      name: ${JSON.stringify(`${named}-db`)},
      description: ${JSON.stringify(`The PostgreSQL server in ${answers.namespace}`)},
      // Each day, in UTC, and as many dumps as four weeks have days.
      schedule: { every: 'day', at: '03:07' },
      keep: 28,
      bucket: ${given('bucket')},
      cluster: ${given('cluster')},
      namespace: ${given('namespace')},
      service: ${given('service')},
      user: ${given('user')},
      password: { secret: ${given('secret')}, key: ${given('key')} },
      volume: { claim: 'database-backup', size: '100Gi' },
    },
${answers.recipient ? kit : ''}  ],
})
`
}
