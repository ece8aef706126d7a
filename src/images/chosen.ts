/** A Debian release that packages come from. */
export type Suite = 'bookworm' | 'trixie' | 'forky'

/**
 * The release that every image is based on: Debian stable. Packages come from it unless another suite is named here.
 */
export const release: Suite = 'trixie'

/** The source of the programs of one major of PostgreSQL. */
interface Postgres {
  readonly major: number
  readonly suite: Suite
  /** Why not from the release; empty if it is from the release. */
  readonly reason: string
  /**
   * Packages that must come from the same suite although the release has them too: in the agent, and in the drill
   * image.
   */
  readonly with: { readonly client: readonly string[]; readonly server: readonly string[] }
}

/** The majors whose client the images contain, and whose server the drill image contains. */
export const postgres: readonly Postgres[] = [
  {
    major: 15,
    suite: 'bookworm',
    reason: 'servers of 15 are dumped by their own client, which the release no longer has',
    with: { client: [], server: [] },
  },
  { major: 17, suite: 'trixie', reason: '', with: { client: [], server: [] } },
  {
    major: 18,
    suite: 'forky',
    reason: 'no stable release has PostgreSQL 18; its server needs the glibc it was built with',
    with: { client: ['libpq5'], server: ['libc6', 'libc-bin', 'libc-l10n', 'locales'] },
  },
]

/** The content of an image. */
interface Image {
  /** The image it is built on, whose packages it contains too. */
  readonly on: ImageName | undefined
  /** The requested packages; their dependencies are installed with them. */
  readonly packages: readonly string[]
  /** Packages from a suite other than the release. */
  readonly suites: Readonly<Record<string, Suite>>
}

export type ImageName = 'base' | 'agent' | 'drill' | 'rancher-stand-in'

function suitesOf(what: 'client' | 'server'): Record<string, Suite> {
  const others = postgres.filter(({ suite }) => suite !== release)
  const name = what === 'client' ? 'postgresql-client' : 'postgresql'
  return Object.fromEntries(
    others.flatMap(({ major, suite, with: along }) =>
      [`${name}-${major}`, ...along[what]].map(package_ => [package_, suite]),
    ),
  )
}

/** Every image that is built, each after the one it is built on. */
export const images: Readonly<Record<ImageName, Image>> = {
  // In addition to what every Debian has (priority "required").
  base: { on: undefined, packages: ['apt', 'ca-certificates'], suites: {} },
  agent: {
    on: 'base',
    // isal has igzip, util-linux flock; age encrypts recovery kits; iproute2 makes the network of Rancher's drill.
    // rclone and zstd are for operators: the agent itself calls neither.
    packages: [
      'age',
      'iproute2',
      'isal',
      'rclone',
      'rsync',
      'tini',
      'util-linux',
      'zstd',
      ...postgres.map(({ major }) => `postgresql-client-${major}`),
    ],
    suites: suitesOf('client'),
  },
  drill: {
    on: 'agent',
    packages: ['locales', ...postgres.map(({ major }) => `postgresql-${major}`)],
    suites: suitesOf('server'),
  },
  'rancher-stand-in': { on: 'base', packages: ['openssl', 'python3'], suites: {} },
}
