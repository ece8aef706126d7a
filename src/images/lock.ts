import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type ImageName, images, postgres } from './chosen.ts'

/** One package of an image, at the version that a build installs. */
export interface LockedPackage {
  /** The image that installs it; images built on that one have it too, unless they lock another version of it. */
  readonly image: ImageName
  readonly name: string
  readonly version: string
  /** The Debian suite that has this version: `trixie`, `bookworm-security`. */
  readonly suite: string
  /** Its source package. */
  readonly source: string
}

/** The lock file, in this repository. */
export const lockFile = new URL('../../images/packages.lock', import.meta.url).pathname

/** The command that writes the lock file. */
export const renewCommand = 'npm run images -- renew'

/** The text of a lock file. */
export function lockText(packages: readonly LockedPackage[]): string {
  const reasons = postgres.filter(({ reason }) => reason !== '')
  return [
    '# Every Debian package of every image. A build installs exactly these versions.',
    `# Written by \`${renewCommand}\` from src/images/chosen.ts; do not edit.`,
    ...reasons.map(({ major, suite, reason }) => `# PostgreSQL ${major} is from ${suite}: ${reason}.`),
    '# image package version suite source',
    ...packages.map(({ image, name, version, suite, source }) => [image, name, version, suite, source].join(' ')),
    '',
  ].join('\n')
}

/** The packages of a lock file's text. */
export function lockedPackages(text: string): LockedPackage[] {
  return text
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => {
      const [image = '', name = '', version = '', suite = '', source = ''] = line.split(' ')
      return { image: image as ImageName, name, version, suite, source }
    })
}

/** An image's packages, including those of the images below it: name → package. */
export function packagesOf(image: ImageName, locked: readonly LockedPackage[]): Map<string, LockedPackage> {
  const { on } = images[image]
  const packages = on === undefined ? new Map<string, LockedPackage>() : packagesOf(on, locked)
  for (const entry of locked) if (entry.image === image) packages.set(entry.name, entry)
  return packages
}

/** An image's content, as in its labels and the agent's receipts. */
export interface ImageContent {
  /** The first 12 hexadecimal digits of the SHA-256 of its packages. */
  readonly packages: string
  /** Versions of its PostgreSQL clients, oldest major first: `15.20`. */
  readonly postgres: readonly string[]
}

/** An image's content by the lock file. */
export function contentOf(image: ImageName, locked: readonly LockedPackage[]): ImageContent {
  const packages = [...packagesOf(image, locked).values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const lines = packages.map(({ name, version }) => `${name} ${version}\n`).join('')
  return {
    packages: createHash('sha256').update(lines).digest('hex').slice(0, 12),
    postgres: packages
      .filter(({ name }) => /^postgresql-client-\d+$/.test(name))
      .map(({ version }) => version.split('-')[0] ?? version)
      .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
  }
}

/** The lock file of this repository. */
export function readLock(): LockedPackage[] {
  return lockedPackages(readFileSync(lockFile, 'utf8'))
}
