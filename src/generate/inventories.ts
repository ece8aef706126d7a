import { definitions } from '../awx/definitions.ts'
import type { Config } from '../config/index.ts'
import { inventoryFiles } from '../inventory/files.ts'
import { type Inventory, inventory } from '../inventory/inventory.ts'
import { statusVariables } from '../monitoring/variables.ts'

/** The inventory of a config: its systems, AWX's definitions as the variables of the host `awx`, and the status service. */
export function inventoryOf(config: Config): Inventory {
  return inventory(config, { ...definitions(config) }, statusVariables(config))
}

/** The files of `inventories/`: path → text. */
export function inventoriesOf(config: Config): Map<string, string> {
  const files = inventoryFiles(inventoryOf(config))
  return new Map([...files].map(([path, text]) => [`production/${path}`, text]))
}
