import { createHash } from 'node:crypto'
import { ownFolders, TRASH } from '../../store/folders.ts'
import { keyOf } from './names.ts'

/** Where files are stored whose path cannot be a key: `.by-hash/<SHA-256 of the path>`. The manifest has the path. */
export const BY_HASH = '.by-hash/'

// S3's limit for a key in UTF-8.
const KEY_BYTES = 1024
const TRASH_BYTES = `${TRASH}${new Date(0).toISOString()}/`.length

/**
 * The key of a file's object: its path if that can be a key, otherwise the path's hash. A path cannot be a key if it is
 * too long, or begins with a name that the bucket uses itself.
 *
 * @param path raw (names.ts)
 */
export function objectKey(prefix: string, path: string): string {
  const key = keyOf(path)
  const top = `${path.split('/', 1)[0]}/`
  const isOwn = top === BY_HASH || ownFolders.includes(top)
  return isOwn || tooLong(prefix + key) ? `${prefix}${BY_HASH}${hashOf(path, 'latin1')}` : prefix + key
}

/** The key of an object below the folder of a run in the trash. */
export function trashName(key: string): string {
  return Buffer.byteLength(key) + TRASH_BYTES > KEY_BYTES ? BY_HASH + hashOf(key, 'utf8') : key
}

function tooLong(key: string): boolean {
  // A UTF-16 unit takes at most three bytes in UTF-8.
  return key.length * 3 > KEY_BYTES && Buffer.byteLength(key) > KEY_BYTES
}

function hashOf(text: string, encoding: 'latin1' | 'utf8'): string {
  return createHash('sha256').update(text, encoding).digest('hex')
}
