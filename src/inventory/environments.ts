import { definitions } from '../awx/definitions.ts'
import type { Config } from '../config/index.ts'
import { labConfig } from '../lab/config.ts'
import { inventoryFiles } from './files.ts'
import { inventory } from './inventory.ts'

/** The inventories that are made from one config, by the name of their folder. */
export const environments = { production: (config: Config) => config, lab: (config: Config) => labConfig(config) }
export type Environment = keyof typeof environments

/** The files of every inventory: path below `inventories/` → text. */
export function allInventoryFiles(config: Config): Map<string, string> {
  const files = new Map<string, string>()
  for (const [name, of] of Object.entries(environments)) {
    const moved = of(config)
    const made = inventory(moved, { ...definitions(moved, name) })
    for (const [path, text] of inventoryFiles(made)) files.set(`${name}/${path}`, text)
  }
  return files
}
