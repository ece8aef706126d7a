import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load, YAML11_SCHEMA } from 'js-yaml'
import type { PlayFacts } from '../ansible/listing.ts'
import type { Inventory } from '../inventory/inventory.ts'

/** An option of a role, as its `meta/argument_specs.yml` has it. */
export interface RoleOption {
  readonly type?: string
  readonly choices?: readonly unknown[]
  readonly required?: boolean
  readonly default?: unknown
}

/** What the AWX definitions refer to: the project's playbooks, roles and inventory. */
export interface Project {
  /** The playbooks that are there, by path; the plays of each, where Ansible could list them. */
  readonly playbooks: ReadonlyMap<string, readonly PlayFacts[]>
  /** Every role's options, by their names, which begin with the role's. */
  readonly options: ReadonlyMap<string, RoleOption>
  readonly inventory: Inventory
}

/** Reads the options of every role below a folder, as Ansible does: in YAML 1.1, where `yes` is true. */
export async function readRoleOptions(root: string): Promise<Map<string, RoleOption>> {
  const options = new Map<string, RoleOption>()
  for (const role of (await readdir(join(root, 'roles'))).sort()) {
    const text = await readFile(join(root, 'roles', role, 'meta/argument_specs.yml'), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const specs = (
      load(text, { schema: YAML11_SCHEMA }) as {
        argument_specs?: Record<string, { options?: Record<string, RoleOption> }>
      }
    ).argument_specs
    for (const { options: own } of Object.values(specs ?? {})) {
      for (const [name, option] of Object.entries(own ?? {})) options.set(name, option)
    }
  }
  return options
}
