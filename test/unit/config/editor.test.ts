import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { kinds } from '../../../src/kinds/index.ts'
import { scheduleForms } from '../../../src/schedule/index.ts'

/** TypeScript's language server, which editors ask. */
class Editor {
  readonly #server: ChildProcess
  readonly #waiting = new Map<number, (answer: { result?: unknown; error?: unknown }) => void>()
  #received = Buffer.alloc(0)
  #asked = 0
  readonly uri = pathToFileURL(join(projectRoot, 'backups.config.ts')).href

  constructor() {
    this.#server = spawn(join(projectRoot, 'node_modules/.bin/tsc'), ['--lsp', '--stdio'], {
      cwd: projectRoot,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    // It may be ended while it still asks something.
    this.#server.stdin?.on('error', () => {})
    this.#server.stdout?.on('data', (chunk: Buffer) => this.#receive(chunk))
  }

  #send(message: object): void {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message })
    this.#server.stdin?.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk])
    for (;;) {
      const end = this.#received.indexOf('\r\n\r\n')
      const length = Number(/Content-Length: (\d+)/.exec(this.#received.subarray(0, Math.max(end, 0)).toString())?.[1])
      if (end < 0 || this.#received.length < end + 4 + length) return
      const message = JSON.parse(this.#received.subarray(end + 4, end + 4 + length).toString())
      this.#received = this.#received.subarray(end + 4 + length)
      // What the server asks (to be told of changed files, and the like) is granted.
      if (message.method !== undefined && message.id !== undefined) this.#send({ id: message.id, result: null })
      else this.#waiting.get(message.id)?.(message)
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: the protocol's answers
  async ask(method: string, params: object): Promise<any> {
    this.#asked += 1
    const id = this.#asked
    const answer = new Promise<{ result?: unknown; error?: unknown }>(resolve => this.#waiting.set(id, resolve))
    this.#send({ id, method, params })
    const { result, error } = await answer
    if (error) throw new Error(JSON.stringify(error))
    return result
  }

  async start(): Promise<void> {
    await this.ask('initialize', {
      processId: process.pid,
      rootUri: pathToFileURL(projectRoot).href,
      capabilities: { textDocument: { hover: { contentFormat: ['plaintext'] }, diagnostic: {} } },
    })
    this.#send({ method: 'initialized', params: {} })
  }

  #version = 0
  /** Shows a text as the config file, without writing it. */
  show(text: string): void {
    this.#version += 1
    const { uri } = this
    if (this.#version === 1) {
      this.#send({
        method: 'textDocument/didOpen',
        params: { textDocument: { uri, languageId: 'typescript', version: 1, text } },
      })
    } else {
      this.#send({
        method: 'textDocument/didChange',
        params: { textDocument: { uri, version: this.#version }, contentChanges: [{ text }] },
      })
    }
  }

  at(text: string, offset: number) {
    const before = text.slice(0, offset).split('\n')
    return {
      textDocument: { uri: this.uri },
      position: { line: before.length - 1, character: before.at(-1)?.length ?? 0 },
    }
  }

  end(): void {
    this.#server.kill()
  }
}

let editor: Editor
let config: string
beforeAll(async () => {
  config = await readFile(join(projectRoot, 'backups.config.ts'), 'utf8')
  editor = new Editor()
  await editor.start()
}, 60_000)
afterAll(() => editor?.end())

/** The config with a text replaced, as somebody would type it. */
function typed(from: string, to: string): string {
  expect(config.split(from).length, from).toBeGreaterThan(1)
  const text = config.replace(from, () => to)
  editor.show(text)
  return text
}

const lastOf = (text: string, what: string) => {
  const offset = text.lastIndexOf(what)
  expect(offset, what).toBeGreaterThan(0)
  return offset
}

describe('an editor', { timeout: 60_000 }, () => {
  it.each([
    ['keep: 13', 'How many verified copies are kept'],
    ['windowMinutes: 120', 'How late after its time a scheduled run may still stop Rancher, minutes'],
    ['stopDeadlineSeconds: 120', 'seconds'],
    ["storageClass: 'longhorn'", "Default: the cluster's"],
    ['replica: {', 'what else it holds is removed'],
    ["server: 'nfs.example'", 'The NFS server'],
    ['prometheus: {', 'Left out: none of them'],
    ["timezone: 'Europe/London'", 'Default: `Etc/UTC`'],
    ['nodePreference:', 'Left out: any node'],
  ])('shows what the field of `%s` means', async (field, meaning) => {
    const text = typed("every: 'hour', minute: 51", "every: 'hour', minute: 51")
    const hover = await editor.ask(
      'textDocument/hover',
      editor.at(text, lastOf(text.slice(0, lastOf(text, "name: 'kit-infra-development'")), field) + 1),
    )
    expect(JSON.stringify(hover?.contents)).toContain(meaning.replaceAll('"', '\\"'))
  })

  it.each([
    ["cluster: 'production',\n      namespace: 'production-stack',\n      service", ['development', 'production']],
    ["cluster: 'production',\n    namespace: 'im-infra',\n    image", ['development', 'production']],
  ])('offers the names of the clusters', async (place, names) => {
    const text = typed(place, place.replace("'production'", "''"))
    const list = await editor.ask(
      'textDocument/completion',
      editor.at(text, text.indexOf("cluster: ''") + "cluster: '".length),
    )
    const items: { label: string }[] = Array.isArray(list) ? list : list.items
    expect(items.map(({ label }) => label.replaceAll(/['"]/g, '')).sort()).toEqual(names)
  })

  /** The errors of a text, without their explanations. */
  const errors = async (): Promise<string[]> => {
    const { items } = await editor.ask('textDocument/diagnostic', { textDocument: { uri: editor.uri } })
    return items
      .filter(({ severity }: { severity: number }) => severity === 1)
      .map(({ message }: { message: string }) => message)
  }

  it('finds nothing in the config of production', async () => {
    editor.show(config)
    expect(await errors()).toEqual([])
  })

  it.each([
    [
      '`claim` beside `nfs`',
      "source: { claim: 'media' }",
      "source: { claim: 'media', nfs: { server: 'nfs.example', path: '/x' } }",
      /never|undefined|not assignable/,
    ],
    [
      '`size` beside `nfs`',
      "path: '/nfs/kubernetes-media-replica' }",
      "path: '/nfs/kubernetes-media-replica' }, size: '1Gi'",
      /undefined|not assignable/,
    ],
    [
      'a cluster that is not there',
      "cluster: 'production',\n      namespace: 'production-stack',",
      "cluster: 'prod',\n      namespace: 'production-stack',",
      /"prod".*"development" \| "production"/,
    ],
    ['an unknown key', 'keep: 13,', 'keep: 13, keeep: 13,', /keeep/],
    ['a key of another kind', 'keep: 13,', "keep: 13, volume: { claim: 'x' },", /volume/],
    ['a missing key', 'windowMinutes: 120,', '', /windowMinutes/],
  ])('refuses %s', async (_, from, to, said) => {
    typed(from, to)
    expect((await errors()).join('\n')).toMatch(said)
  })

  it('refuses a second store that is not there', async () => {
    const second = "second: { store: 'elsewhere', bucket: 'x', keep: 7, schedule: { every: 'day', at: '06:00' } },"
    const store = "{ name: 'offsite', endpoint: 'https://s3.example', region: 'x', provider: 'Ceph' }"
    editor.show(
      config
        .replace('keep: 13,', `keep: 13, ${second}`)
        .replace('  clusters: [', `  otherStores: [${store}],\n  clusters: [`),
    )
    expect((await errors()).join('\n')).toMatch(/"elsewhere".*"offsite"/)
  })
})

/** Every field of a schema: its place, whether it is optional, its description. */
// biome-ignore lint/suspicious/noExplicitAny: schemas of any shape
function fieldsOf(schema: any, place: string): { place: string; optional: boolean; description?: string }[] {
  return [
    ...(schema.anyOf ?? []).flatMap((form: object) => fieldsOf(form, place)),
    ...(schema.items ? fieldsOf(schema.items, `${place}[]`) : []),
    // biome-ignore lint/suspicious/noExplicitAny: schemas of any shape
    ...Object.entries<any>(schema.properties ?? {}).flatMap(([key, value]) => [
      { place: `${place}.${key}`, optional: !schema.required?.includes(key), description: value.description },
      ...fieldsOf(value, `${place}.${key}`),
    ]),
  ]
}

test('every field is described, and every optional one says what holds without it', () => {
  const fields = [
    ...fieldsOf(configSchema, 'config'),
    ...Object.entries(kinds).flatMap(([kind, { schema }]) => fieldsOf(schema, kind)),
    ...Object.entries(scheduleForms).flatMap(([every, form]) => fieldsOf(form, every)),
  ]
  expect(fields.length).toBeGreaterThan(150)
  expect(fields.filter(({ description }) => !description).map(({ place }) => place)).toEqual([])
  const silent = fields.filter(
    ({ optional, description }) => optional && !/Default: |Left out: /.test(description ?? ''),
  )
  expect(silent.map(({ place }) => place)).toEqual([])
  const lengths = fields.filter(({ place }) => /(Seconds|Minutes|days|size)$/.test(place))
  expect(lengths.filter(({ description }) => !/seconds|minutes|days|Gi/.test(description ?? ''))).toEqual([])
})
