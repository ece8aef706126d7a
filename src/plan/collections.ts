import { load } from 'js-yaml'
import semver from 'semver'
import type { Controller, LiveObject } from '../awx/controller.ts'
import type { Definitions } from '../awx/definitions.ts'
import { tellWellAgain } from '../awx/well-again.ts'
import type { Difference } from './difference.ts'

/** A collection that the plays need; `version` is one, or a range of them as Ansible Galaxy writes it. */
export interface NeededCollection {
  readonly name: string
  readonly version: string
}

/** @param requirements the text of a file such as `collections/requirements.yml` */
export function neededCollections(requirements: string): readonly NeededCollection[] {
  return (load(requirements) as { collections: NeededCollection[] }).collections
}

/**
 * The collections that jobs on AWX lack: of its execution environment, and of what AWX installed for the project. The
 * last job that looked says so; before the first one, nothing is known, and nothing is missing.
 */
export async function missingCollections(
  definitions: Definitions,
  controller: Controller,
  needed: readonly NeededCollection[],
): Promise<Difference[]> {
  const environment = definitions.controller_execution_environments[0]?.name ?? ''
  const there = await collectionsOfJobs(definitions, controller)
  if (!there) return []
  return needed.flatMap(({ name, version }): Difference[] => {
    const is = there[name]
    if (is !== undefined && semver.satisfies(is, version.replaceAll(',', ' '))) return []
    const note = `jobs have ${is === undefined ? 'no such collection' : `its version ${is}`}; they need ${version}. Use an execution environment that has it, as collections/requirements.yml says`
    return [{ sign: '!', where: 'AWX', kind: `collection of ${environment}`, name, fields: [], note }]
  })
}

/** Name → version, of the newest job that left them as an artifact. */
async function collectionsOfJobs(
  definitions: Definitions,
  controller: Controller,
): Promise<Readonly<Record<string, string>> | undefined> {
  const organization = definitions.controller_organizations[0]?.name ?? ''
  const query = { name: tellWellAgain.name, organization__name: organization }
  const [template] = await controller.list('job_templates/', query)
  if (!template) return undefined
  const newest = `jobs/?job_template=${template.id}&order_by=-id&page_size=5`
  const { results } = await controller.get<{ results: LiveObject[] }>(newest)
  for (const { url } of results) {
    const { artifacts } = await controller.get<{ artifacts?: { collections?: Record<string, string> } }>(url)
    if (artifacts?.collections) return artifacts.collections
  }
  return undefined
}
