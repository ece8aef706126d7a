import { definitions } from '../awx/definitions.ts'
import type { Config } from '../config/index.ts'
import { inventoryFiles } from '../inventory/files.ts'
import { inventory } from '../inventory/inventory.ts'
import { labConfig } from '../lab/config.ts'

/** The inventories that are made from one config, by the name of their folder. */
export const environments = { production: (config: Config) => config, lab: (config: Config) => labConfig(config) }
export type Environment = keyof typeof environments

/** The files of every inventory: path below `inventories/` → text. */
export function allInventoryFiles(config: Config): Map<string, string> {
  const files = new Map<string, string>()
  for (const [name, of] of Object.entries(environments)) {
    for (const [path, text] of environmentFiles(of(config), name)) files.set(`${name}/${path}`, text)
  }
  return files
}

/** The files of one inventory, for a config that is that environment's already. */
export function environmentFiles(config: Config, name: string): Map<string, string> {
  return inventoryFiles(inventory(config, { ...definitions(config, name) }))
}
