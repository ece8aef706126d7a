import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { loadAll, YAML11_SCHEMA } from 'js-yaml'
import { projectRoot } from '../ansible/venv.ts'
import { nearest, type Problem } from '../report/problem.ts'

/** Kinds of kube-prometheus, of which Kubernetes has no schema. */
const OF_OTHERS = 'monitoring.coreos.com'

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata?: { readonly name?: string }
}

/**
 * Checks manifests against the schema of the Kubernetes API, without a cluster. An unknown field is an error too: the
 * API server would drop it silently.
 *
 * The schemas are those in the package `kubernetes-validate` in the project's `.venv`: call `ensureVenv` first.
 *
 * @param files YAML files, each of one or more manifests
 * @param kubernetes the release they are for, `major.minor`; by default the lab's
 * @returns problems of rules `manifest-shape` and `manifest-kind`; a file's place is its document's kind, name and field
 * @throws Error for a file that cannot be read, and for a release without schemas, naming those there are
 */
export async function checkManifests(files: readonly string[], { kubernetes = '1.33' } = {}): Promise<Problem[]> {
  const folder = await schemaFolder(kubernetes)
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: false, validateFormats: false })
  ajv.addSchema(JSON.parse(await readFile(join(folder, '_definitions.json'), 'utf8')))

  const problems: Problem[] = []
  for (const file of files) {
    const problem = (ruleId: string, path: string, message: string, suggest: string) =>
      problems.push({ ruleId, severity: 'error', location: { file, path }, message, suggest })

    for (const manifest of readManifests(await readFile(file, 'utf8'))) {
      if (manifest instanceof Error) {
        problem('manifest-shape', '', `is not YAML: ${manifest.message}`, 'correct it')
        continue
      }
      if (!isManifest(manifest)) {
        problem('manifest-shape', '', 'is a document without apiVersion and kind', 'write both')
        continue
      }
      if (manifest.apiVersion.startsWith(`${OF_OTHERS}/`)) continue
      const named = `${manifest.kind} ${manifest.metadata?.name ?? 'without a name'}`
      const schema = await readFile(join(folder, schemaFile(manifest)), 'utf8').catch(() => undefined)
      if (schema === undefined) {
        const message = `there is no ${manifest.kind} in ${manifest.apiVersion} of Kubernetes ${kubernetes}`
        problem('manifest-kind', named, message, 'correct apiVersion and kind')
        continue
      }
      const { $id } = JSON.parse(schema)
      const validate = ajv.getSchema($id) ?? ajv.compile(JSON.parse(schema))
      if (validate(manifest)) continue
      for (const error of validate.errors ?? []) {
        problem('manifest-shape', `${named}: ${fieldPath(error)}`, ...explain(error, kubernetes))
      }
    }
  }
  return problems
}

function readManifests(text: string): unknown[] {
  try {
    return loadAll(text, { schema: YAML11_SCHEMA }).filter(document => document !== null)
  } catch (error) {
    return [error]
  }
}

function isManifest(value: unknown): value is Manifest {
  const { apiVersion, kind } = (value ?? {}) as Partial<Manifest>
  return typeof apiVersion === 'string' && typeof kind === 'string'
}

/** The schemas' file names: `cronjob-batch-v1.json`, with the group's first label; the core group has none. */
function schemaFile({ apiVersion, kind }: Manifest): string {
  const [version, group] = apiVersion.split('/').reverse()
  return `${[kind.toLowerCase(), group?.split('.')[0], version].filter(part => part !== undefined).join('-')}.json`
}

async function schemaFolder(kubernetes: string): Promise<string> {
  const lib = join(projectRoot, '.venv/lib')
  const python = (await readdir(lib)).find(name => name.startsWith('python3'))
  const schemas = join(lib, python ?? '', 'site-packages/kubernetes_validate/kubernetes-json-schema')
  const releases = (await readdir(schemas)).flatMap(name => /^v(\d+\.\d+)\.0-local-strict$/.exec(name)?.[1] ?? [])
  if (!releases.includes(kubernetes)) {
    const known = releases.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).join(', ')
    throw new Error(`There are no schemas of Kubernetes ${kubernetes}; write one of ${known}`)
  }
  return join(schemas, `v${kubernetes}.0-local-strict`)
}

function fieldPath({ instancePath }: ErrorObject): string {
  return instancePath
    .split('/')
    .slice(1)
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path ? `${path}.${part}` : part), '')
}

function explain({ keyword, params, message, parentSchema, data }: ErrorObject, kubernetes: string): [string, string] {
  if (keyword === 'additionalProperties') {
    const field: string = params.additionalProperty
    const near = nearest(field, Object.keys(parentSchema?.properties ?? {}))
    return [
      `Kubernetes ${kubernetes} has no field \`${field}\` here`,
      near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'remove it',
    ]
  }
  if (keyword === 'type') {
    const types = [params.type].flat().filter(type => type !== 'null')
    return [`is ${JSON.stringify(data)?.slice(0, 80)}`, `write a value of type ${types.join(' or ')}`]
  }
  if (keyword === 'required') return [`lacks \`${params.missingProperty}\``, 'add it']
  if (keyword === 'enum') return [`is ${JSON.stringify(data)}`, `write ${params.allowedValues.join(' or ')}`]
  return [`${message} and is ${JSON.stringify(data)?.slice(0, 80)}`, 'correct it']
}
