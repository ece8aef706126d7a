import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { bytesOf } from './names.ts'
import { isGone } from './tree.ts'

/**
 * Remove a file or a folder with its content. Node's own `rm` does not accept names that are not UTF-8.
 *
 * @param path raw (names.ts), absolute
 * @returns how many entries were removed
 */
export function removeTree(path: string): number {
  const absolute = bytesOf(path)
  try {
    if (!lstatSync(absolute).isDirectory()) {
      unlinkSync(absolute)
      return 1
    }
  } catch (error) {
    if (isGone(error)) return 0
    throw error
  }
  let removed = 1
  for (const name of readdirSync(absolute, { encoding: 'latin1' })) removed += removeTree(`${path}/${name}`)
  rmdirSync(absolute)
  return removed
}
