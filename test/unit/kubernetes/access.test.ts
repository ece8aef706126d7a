import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load, loadAll, YAML11_SCHEMA } from 'js-yaml'
import { expect, it } from 'vitest'
import production from '../../../backups.config.ts'
import { projectRoot } from '../../../src/ansible/venv.ts'
import { accessManifests } from '../../../src/generate/access.ts'
import { everyRule } from '../../support/access.ts'

type Task = Record<string, unknown>
interface K8s {
  readonly kind?: string
  readonly name?: string
  readonly state?: string
  readonly force?: boolean
  readonly definition?: { readonly kind?: string }
}

const plural = (kind: string) => `${kind.toLowerCase()}s`

/**
 * The permissions that a module of kubernetes.core needs, `verb resource`; none if its kind is templated. A Job never
 * exists already: its name contains the time.
 */
function needs(module: string, { kind, name, state, force, definition }: K8s): string[] {
  const of = kind ?? (typeof definition === 'object' ? definition.kind : undefined)
  if (module === 'k8s_log') return ['get pods/log']
  if (of === undefined || of.includes('{{')) return []
  const verbs = {
    k8s_info: [name === undefined ? 'list' : 'get'],
    k8s:
      state === 'patched' ? ['get', 'patch'] : ['get', 'create', ...(of === 'Job' ? [] : [force ? 'update' : 'patch'])],
  }[module]
  return (verbs ?? []).map(verb => `${verb} ${plural(of)}`)
}

function tasksIn(list: unknown): Task[] {
  return ((list ?? []) as Task[]).flatMap(task => [
    task,
    ...['block', 'rescue', 'always'].flatMap(part => tasksIn(task[part])),
  ])
}

async function needed(): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const role of await readdir(join(projectRoot, 'roles'))) {
    if (role.startsWith('lab_')) continue
    const folder = join(projectRoot, 'roles', role, 'tasks')
    for (const file of await readdir(folder).catch(() => [])) {
      for (const task of tasksIn(load(await readFile(join(folder, file), 'utf8'), { schema: YAML11_SCHEMA }))) {
        for (const [name, options] of Object.entries(task)) {
          if (!name.startsWith('kubernetes.core.')) continue
          for (const need of needs(name.slice('kubernetes.core.'.length), options as K8s)) {
            found.set(need, `${role}/tasks/${file}`)
          }
        }
      }
    }
  }
  return found
}

it("the Role of AWX's account allows what the roles' tasks do in a cluster", async () => {
  const allowed = new Set(
    everyRule.flatMap(({ resources, verbs }) =>
      resources.flatMap(resource => verbs.map(verb => `${verb} ${resource}`)),
    ),
  )
  const all = await needed()
  expect(all.size).toBeGreaterThan(8)
  expect([...all].filter(([need]) => !allowed.has(need))).toEqual([])
})

it('no rule lets it read a Secret that the config does not name, or change what is not ours', () => {
  const unnamed = everyRule.filter(({ resourceNames }) => resourceNames === undefined)
  expect(
    unnamed.flatMap(({ verbs, resources }) => verbs.flatMap(verb => resources.map(of => `${verb} ${of}`))),
  ).toEqual(
    expect.not.arrayContaining(['get secrets', 'list secrets', 'patch secrets', 'update secrets', 'patch cronjobs']),
  )
  for (const { resourceNames } of everyRule) expect(resourceNames ?? ['any']).not.toEqual([])
  expect(everyRule.flatMap(({ verbs }) => verbs)).not.toContain('delete')
})

it('an administrator applies a Role and its binding in each namespace, which names exactly its Secrets', () => {
  const text = accessManifests(production).get('access/production.yaml') ?? ''
  const manifests = loadAll(text) as {
    kind: string
    metadata: { namespace: string }
    rules?: { resources: string[]; verbs: string[]; resourceNames?: string[] }[]
  }[]
  expect(manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace}`)).toEqual(
    ['awx', 'im-infra', 'production-stack'].flatMap(namespace => [`Role ${namespace}`, `RoleBinding ${namespace}`]),
  )
  const secrets = manifests.flatMap(({ metadata, rules: granted = [] }) =>
    granted
      .filter(({ resources, verbs }) => resources.includes('secrets') && verbs.includes('get'))
      .map(({ resourceNames }) => [metadata.namespace, resourceNames]),
  )
  expect(secrets).toEqual([
    ['awx', ['awx-postgres-configuration', 'awx-secret-key', 'backup-store']],
    ['im-infra', ['im-postgres', 'im-s3']],
    ['im-infra', ['backup-status']],
    ['production-stack', ['backup-store', 'database']],
  ])
})
