import { definitions } from '../awx/definitions.ts'
import type { Config } from '../config/index.ts'
import { inventoryFiles } from '../inventory/files.ts'
import { type Inventory, inventory } from '../inventory/inventory.ts'

/** The inventory of a config: its systems, and AWX's definitions as the variables of the host `awx`. */
export function inventoryOf(config: Config): Inventory {
  return inventory(config, { ...definitions(config) })
}

/** The files of `inventories/`: path → text. */
export function inventoriesOf(config: Config): Map<string, string> {
  const files = inventoryFiles(inventoryOf(config))
  return new Map([...files].map(([path, text]) => [`production/${path}`, text]))
}
