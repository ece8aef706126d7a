/** A Debian release that packages come from. */
export type Suite = 'bookworm' | 'trixie' | 'forky'

/** The release that every image is based on: Debian stable. What is not taken from another one comes from here. */
export const release: Suite = 'trixie'

/** Where the programs of one major of PostgreSQL come from. */
interface Postgres {
  readonly major: number
  readonly suite: Suite
  /** Why not from the release; empty for what is. */
  readonly reason: string
  /** What must come from the same suite, beyond what exists nowhere else: in the agent, and in the drill image. */
  readonly with: { readonly client: readonly string[]; readonly server: readonly string[] }
}

/** The majors that the images have a client of, and the drill image a server. */
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

/** What an image holds. */
interface Image {
  /** The image it is built on; its packages are in this one too. */
  readonly on: ImageName | undefined
  /** The packages that are asked for; what they depend on comes along. */
  readonly packages: readonly string[]
  /** Packages whose suite is not the release. */
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
  // Beside what every Debian has (priority "required").
  base: { on: undefined, packages: ['apt', 'ca-certificates'], suites: {} },
  agent: {
    on: 'base',
    // isal has igzip, util-linux flock; age encrypts recovery kits; iproute2 makes the network of Rancher's drill. rclone
    // and zstd are for people: the agent itself calls neither.
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
