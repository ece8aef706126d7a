import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { CommandFailure, exitCodes } from '../report/failure.ts'
import { type ImageName, images, release, type Suite } from './chosen.ts'
import type { LockedPackage } from './lock.ts'

/** A package as a suite's index has it. */
interface Available {
  readonly version: string
  readonly source: string
  readonly priority: string
}

/**
 * Resolve with apt the current versions of the chosen packages and their dependencies. The machine's own apt is not
 * changed: lists and state are in a temporary folder.
 *
 * @throws CommandFailure unreachable if apt or its mirror does not answer; usage if the chosen packages cannot be installed
 */
export async function resolvePackages(): Promise<LockedPackage[]> {
  const folder = await mkdtemp(join(tmpdir(), 'images-'))
  try {
    const apt = await privateApt(folder)
    const indexes = await indexesOf(apt)
    const required = [...(indexes.get(release)?.entries() ?? [])]
      .filter(([, { priority }]) => priority === 'required')
      .map(([name]) => name)
    const locked: LockedPackage[] = []
    const wanted = new Map<ImageName, string[]>()
    const versions = new Map<ImageName, Map<string, string>>()
    for (const [name, { on, packages }] of Object.entries(images) as [ImageName, (typeof images)[ImageName]][]) {
      wanted.set(name, [...(on === undefined ? required : (wanted.get(on) ?? [])), ...packages])
      const found = await simulate(apt, name, wanted.get(name) ?? [])
      versions.set(name, found)
      const below = on === undefined ? undefined : versions.get(on)
      for (const [package_, version] of [...found].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (below?.get(package_) === version) continue
        const [suite, available] = sourceOf(indexes, package_, version)
        locked.push({ image: name, name: package_, version, suite, source: available.source })
      }
    }
    return locked
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** apt's programs with separate lists and state. */
export interface PrivateApt {
  run(program: 'apt-get' | 'apt-cache' | '/usr/lib/apt/apt-helper', args: readonly string[]): Promise<string>
  /** The file of preferences between suites. */
  readonly preferences: string
}

/** Every suite that packages of the images come from. */
function suitesOfImages(): string[] {
  return [...new Set<string>([release, ...Object.values(images).flatMap(({ suites }) => Object.values(suites))])]
}

/**
 * Fetch the lists of packages, or of their sources, into a folder.
 * @throws CommandFailure unreachable if apt or its mirror does not answer
 */
export async function privateApt(
  folder: string,
  type: 'deb' | 'deb-src' = 'deb',
  suites: readonly string[] = suitesOfImages(),
): Promise<PrivateApt> {
  const mirrors = await mirrorsOf()
  await mkdir(join(folder, 'lists/partial'), { recursive: true })
  await mkdir(join(folder, 'cache/archives/partial'), { recursive: true })
  const source = (uri: string, suite: string) =>
    `Types: ${type}\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`
  // Testing has no security suite of its own.
  const sources = suites.flatMap(suite => [
    source(mirrors.main, suite),
    ...(suite === 'forky' ? [] : [source(mirrors.security, `${suite}-security`)]),
  ])
  await mkdir(join(folder, 'sources'))
  await writeFile(join(folder, 'sources/debian.sources'), sources.join('\n'))
  const preferences = join(folder, 'preferences')
  await writeFile(preferences, '')
  const options = [
    `Dir::State::Lists=${join(folder, 'lists')}`,
    `Dir::Cache=${join(folder, 'cache')}`,
    'Dir::State::Status=/dev/null',
    'Dir::Etc::SourceList=/dev/null',
    `Dir::Etc::SourceParts=${join(folder, 'sources')}`,
    `Dir::Etc::Preferences=${preferences}`,
    'Dir::Etc::PreferencesParts=/dev/null',
    'APT::Sandbox::User=root',
    'APT::Install-Recommends=false',
    // A mirror that lags behind serves a list that is marked as expired; its signature is still checked.
    'Acquire::Check-Valid-Until=false',
  ].flatMap(option => ['-o', option])
  const run: PrivateApt['run'] = async (program, args) => {
    const { stdout, stderr, failed } = await execa(program, [...options, ...args], {
      reject: false,
      cwd: folder,
      env: { LC_ALL: 'C' },
    })
    if (!failed) return stdout
    throw new CommandFailure(
      exitCodes.unreachable,
      `${program} ${args[0]} failed: ${errorsIn(`${stdout}\n${stderr}`)}`,
      'check that this machine has apt and that its Debian mirror answers',
    )
  }
  await run('apt-get', ['update', '--error-on=any'])
  return { run, preferences }
}

function errorsIn(output: string): string {
  const errors = output.split('\n').filter(line => line.startsWith('E: '))
  return (errors.length > 0 ? errors : output.trim().split('\n').slice(-3)).join(' ')
}

/** The mirrors that this machine's apt uses; Debian's security mirror is next to the main one. */
async function mirrorsOf(): Promise<{ main: string; security: string }> {
  const format = '$(ORIGIN) $(LABEL) $(REPO_URI)'
  const { stdout = '' } = await execa('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    reject: false,
  })
  const uri = (label: string) => new RegExp(`^Debian ${label} (\\S+?)/?$`, 'm').exec(stdout)?.[1]
  const main = uri('Debian')
  if (main === undefined) {
    throw new CommandFailure(
      exitCodes.unreachable,
      "this machine's apt knows no mirror of Debian",
      'run this on a machine with Debian, after `apt-get update`',
    )
  }
  return { main, security: uri('Debian-Security') ?? `${main}-security` }
}

/** The packages of each suite: suite → package → newest version. */
async function indexesOf(apt: PrivateApt): Promise<Map<string, Map<string, Available>>> {
  const listed = await apt.run('apt-get', [
    'indextargets',
    '--format',
    '$(RELEASE) $(FILENAME)',
    'Created-By: Packages',
  ])
  const indexes = new Map<string, Map<string, Available>>()
  for (const line of listed.split('\n')) {
    const [suite = '', file = ''] = line.split(' ')
    const text = await apt.run('/usr/lib/apt/apt-helper', ['cat-file', file])
    const packages = new Map<string, Available>()
    for (const stanza of text.split('\n\n')) {
      const field = (name: string) => new RegExp(`^${name}: (\\S+)`, 'm').exec(stanza)?.[1]
      const [name, version] = [field('Package'), field('Version')]
      if (name === undefined || version === undefined) continue
      packages.set(name, { version, source: field('Source') ?? name, priority: field('Priority') ?? '' })
    }
    indexes.set(suite, packages)
  }
  return indexes
}

/** What apt would install for an image: name → version. */
async function simulate(apt: PrivateApt, image: ImageName, packages: readonly string[]): Promise<Map<string, string>> {
  await writeFile(apt.preferences, preferencesOf(image))
  const said = await apt.run('apt-get', ['--simulate', 'install', ...packages])
  const found = new Map<string, string>()
  for (const [, name, version] of said.matchAll(/^Inst (\S+) \((\S+) /gm)) found.set(String(name), String(version))
  return found
}

/** The release first, then the previous stable one, then testing, except for packages pinned to a suite. */
function preferencesOf(image: ImageName): string {
  const priorities: Record<Suite, number> = { trixie: 900, bookworm: 200, forky: 100 }
  const pin = (packages: string, suite: string, priority: number) =>
    `Package: ${packages}\nPin: release n=${suite}\nPin-Priority: ${priority}\n`
  const named = new Map<string, Suite>()
  for (let at: ImageName | undefined = image; at !== undefined; at = images[at].on) {
    for (const [name, suite] of Object.entries(images[at].suites)) named.set(name, suite)
  }
  return [
    ...Object.entries(priorities).map(([suite, priority]) => pin('*', `${suite}*`, priority)),
    ...[...named].map(([name, suite]) => pin(name, `${suite}*`, 990)),
  ].join('\n')
}

function sourceOf(
  indexes: ReadonlyMap<string, ReadonlyMap<string, Available>>,
  name: string,
  version: string,
): [string, Available] {
  for (const [suite, packages] of indexes) {
    const available = packages.get(name)
    if (available?.version === version) return [suite, available]
  }
  throw new Error(`apt would install ${name} ${version}, which no suite has`)
}
