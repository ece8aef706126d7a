import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { execa } from 'execa'

/**
 * Pack `var/lib/rancher` of a folder into a `.tar.gz` as Rancher's documentation makes it, so that its documented
 * restore (`tar pzxvf` in `/` of a busybox container) takes it.
 *
 * The format is GNU's: busybox reads its long names and large sizes, while it passes over the pax headers that hold
 * both in the POSIX format, and over sparse files as GNU packs them.
 */
export async function pack(folder: string, archive: string, signal?: AbortSignal): Promise<void> {
  const options = { env: { LC_ALL: 'C' }, ...(signal && { cancelSignal: signal }) }
  const tar = execa(
    'tar',
    ['--create', '--format=gnu', '--numeric-owner', '--sort=name', `--directory=${folder}`, 'var/lib/rancher'],
    { ...options, encoding: 'buffer', buffer: { stdout: false } },
  )
  // igzip writes gzip's format at several times its speed; a host without it is told so by the error.
  const gzip = execa('igzip', ['--stdout'], { ...options, encoding: 'buffer', buffer: { stdout: false } })
  await Promise.all([
    pipeline(tar.stdout, gzip.stdin),
    pipeline(gzip.stdout, createWriteStream(archive, { mode: 0o600 })),
    tar,
    gzip,
  ])
}

/**
 * Read an archive to its end.
 *
 * @returns how many entries it has
 * @throws Error when it is damaged or cut off
 */
export async function countEntries(archive: string, signal?: AbortSignal): Promise<number> {
  const options = { env: { LC_ALL: 'C' }, ...(signal && { cancelSignal: signal }) }
  const gunzip = execa('igzip', ['--decompress', '--stdout', archive], {
    ...options,
    encoding: 'buffer',
    buffer: { stdout: false },
  })
  // Names are printed with their newlines quoted: a line is an entry.
  const tar = execa('tar', ['--list', '--quoting-style=escape'], { ...options, buffer: { stdout: false } })
  let entries = 0
  const counted = (async () => {
    for await (const _ of tar.iterable()) entries += 1
  })()
  await Promise.all([pipeline(gunzip.stdout, tar.stdin), gunzip, tar, counted])
  return entries
}

/** What an archive is named by. */
export interface ArchiveName {
  readonly version: string
  readonly tag: string
  readonly taken: Date
}

const NAME = /^rancher-data-backup-.+-(\d{4}-\d{2}-\d{2})T(\d{2})-(\d{2})-(\d{2})Z\.tar\.gz$/

/** `rancher-data-backup-<version>-<image tag>-<time>.tar.gz`; no colons, which tar takes for a host's name. */
export function archiveName({ version, tag, taken }: ArchiveName): string {
  const time = taken.toISOString().slice(0, 19).replaceAll(':', '-')
  return `rancher-data-backup-${safe(version)}-${safe(tag)}-${time}Z.tar.gz`
}

/** When an archive's copy was taken, from its name; undefined for any other name. */
export function takenOf(name: string): Date | undefined {
  const [, day, hours, minutes, seconds] = NAME.exec(name) ?? []
  return day === undefined ? undefined : new Date(`${day}T${hours}:${minutes}:${seconds}Z`)
}

function safe(text: string): string {
  return text.replaceAll(/[^\w.+]/g, '_') || 'unknown'
}

/** The tag of an image's name: `v2.9.2` of `registry:5000/rancher/rancher:v2.9.2@sha256:…`; `latest` where it has none. */
export function tagOf(image: string): string {
  return /:([^:/@]+)(@.*)?$/.exec(image.replace(/@sha256:.*/, ''))?.[1] ?? 'latest'
}
