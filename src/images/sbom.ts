import { type LockedPackage, packagesOf } from './lock.ts'

/** A part of a bill of materials, with the fields of CycloneDX that are used here. */
interface Component {
  readonly type: 'library' | 'application'
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly licenses?: readonly { readonly expression: string }[]
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
}

/** The images that are given away. The status service's has the Debian packages of the base alone. */
export const shipped = ['agent', 'drill', 'status'] as const

/** What `package-lock.json` says of a package, as far as it is used here. */
interface NpmPackage {
  readonly version?: string
  readonly license?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly devOptional?: boolean
}

// What images/status/Containerfile removes again: only the agent uses them.
const notInStatus: readonly string[] = ['execa', 'pg', 'yargs']

/**
 * What is in an image, as a bill of materials in CycloneDX 1.6: its Debian packages by images/packages.lock, its npm
 * packages by package-lock.json, and Node. Not by `npm sbom`, which leaves out packages such as yargs and pg-types.
 */
export function sbomOf(
  image: (typeof shipped)[number],
  about: {
    readonly locked: readonly LockedPackage[]
    readonly npm: Readonly<Record<string, NpmPackage>>
    readonly node: string
    readonly version: string
  },
) {
  const { node } = about
  const debian = [...packagesOf(image === 'status' ? 'base' : image, about.locked).values()].map(
    ({ name, version, suite, source }): Component => ({
      type: 'library',
      name,
      version,
      purl: `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?distro=${suite}&upstream=${encodeURIComponent(source)}`,
    }),
  )
  const npm = Object.entries(about.npm).flatMap(([path, found]) => {
    const name = path.split('node_modules/').at(-1) ?? ''
    const isLeftOut =
      path === '' ||
      found.dev ||
      found.devOptional ||
      (image === 'status' ? notInStatus.includes(name) : found.optional)
    return isLeftOut || found.version === undefined ? [] : [npmComponent(name, found.version, found)]
  })
  return {
    bomFormat: 'CycloneDX' as const,
    specVersion: '1.6',
    version: 1,
    metadata: { component: { type: 'container', name: `fragalysis-backups-${image}`, version: about.version } },
    components: [
      { type: 'application', name: 'node', version: node, purl: `pkg:generic/node@${node}` } satisfies Component,
      ...npm,
      ...debian,
    ],
  }
}

function npmComponent(name: string, version: string, { license, integrity }: NpmPackage): Component {
  const [, sha512] = /^sha512-(\S+)/.exec(integrity ?? '') ?? []
  return {
    type: 'library',
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    ...(license && { licenses: [{ expression: license }] }),
    ...(sha512 && { hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }] }),
  }
}
