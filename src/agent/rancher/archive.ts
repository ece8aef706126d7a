import { execa } from 'execa'
import { programFailure } from './tree.ts'

// igzip writes and reads gzip's format at several times gzip's speed.
const COMPRESSOR = '--use-compress-program=igzip'

/**
 * Pack `var/lib/rancher` of a folder into a `.tar.gz` as Rancher's documentation makes it, so that its documented
 * restore (`tar pzxvf` in `/` of a busybox container) can unpack it.
 *
 * The format is GNU's: busybox reads its long names and large sizes, while it ignores the pax headers that hold
 * both in the POSIX format, and GNU's sparse files.
 *
 * @throws Failure copy with tar's message; volume if the disk is full
 */
export async function pack(folder: string, archive: string, signal?: AbortSignal): Promise<void> {
  await tar(
    [
      '--create',
      '--format=gnu',
      '--numeric-owner',
      '--sort=name',
      `--directory=${folder}`,
      `--file=${archive}`,
      'var/lib/rancher',
    ],
    signal,
  )
}

/**
 * Read a whole archive.
 *
 * @returns how many entries it has
 * @throws Failure copy when it is damaged or truncated
 */
export async function countEntries(archive: string, signal?: AbortSignal): Promise<number> {
  // Newlines in names are printed quoted: a line is an entry.
  const listed = await tar(['--list', '--quoting-style=escape', `--file=${archive}`], signal)
  return listed === '' ? 0 : listed.split('\n').length
}

/**
 * Unpack the content of an archive's `var/lib/rancher` into a folder.
 *
 * @throws Failure copy with tar's message; volume if the disk is full
 */
export async function unpack(archive: string, folder: string, signal?: AbortSignal): Promise<void> {
  await tar(
    [
      '--extract',
      '--numeric-owner',
      '--same-owner',
      '--same-permissions',
      '--strip-components=3',
      `--directory=${folder}`,
      `--file=${archive}`,
    ],
    signal,
  )
}

async function tar(args: readonly string[], signal?: AbortSignal): Promise<string> {
  const { exitCode, stdout, stderr } = await execa('tar', [COMPRESSOR, ...args], {
    reject: false,
    maxBuffer: Number.POSITIVE_INFINITY,
    env: { LC_ALL: 'C' },
    ...(signal && { cancelSignal: signal }),
  })
  signal?.throwIfAborted()
  if (exitCode !== 0) throw programFailure('tar', exitCode, stderr)
  return stdout
}

/** The parts of an archive's name. */
export interface ArchiveName {
  readonly version: string
  readonly tag: string
  readonly taken: Date
}

const NAME = /^rancher-data-backup-.+-(\d{4}-\d{2}-\d{2})T(\d{2})-(\d{2})-(\d{2})Z\.tar\.gz(?:\.age)?$/

/** `rancher-data-backup-<version>-<image tag>-<time>.tar.gz`; no colons, because tar takes the part before one for a host name. */
export function archiveName({ version, tag, taken }: ArchiveName): string {
  const time = taken.toISOString().slice(0, 19).replaceAll(':', '-')
  return `rancher-data-backup-${safe(version)}-${safe(tag)}-${time}Z.tar.gz`
}

/** When an archive's copy was taken, from its name, encrypted or not; undefined for any other name. */
export function takenOf(name: string): Date | undefined {
  const [, day, hours, minutes, seconds] = NAME.exec(name) ?? []
  return day === undefined ? undefined : new Date(`${day}T${hours}:${minutes}:${seconds}Z`)
}

function safe(text: string): string {
  return text.replaceAll(/[^\w.+]/g, '_') || 'unknown'
}

/** The tag of an image's name: `v2.9.2` of `registry:5000/rancher/rancher:v2.9.2@sha256:…`; `latest` if it has none. */
export function tagOf(image: string): string {
  return /:([^:/@]+)(@.*)?$/.exec(image.replace(/@sha256:.*/, ''))?.[1] ?? 'latest'
}
