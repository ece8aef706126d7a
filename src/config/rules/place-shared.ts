import { posix } from 'node:path'
import { kindOf } from '../../kinds/index.ts'
import type { Place } from '../../kinds/kind.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

interface Placed extends Pick<Place, 'key' | 'access'> {
  /** Where paths are compared: a volume of a cluster, an NFS server, the disk of a host. */
  readonly within: string
  readonly path: string
  /** The system's index. */
  readonly system: number
  /** The order of places in the config. */
  readonly order: number
}

export const placeShared: Rule = {
  id: 'place-shared',
  description:
    "A volume or folder that one system writes is read or written by another, or holds another's, or is both source and target of one: runs prune or empty each other's data.",
  check(config) {
    const places = config.systems
      .flatMap((system, index) =>
        kindOf(system)
          .places(system)
          .map(({ key, access, at }) => ({ key, access, ...locate(at), system: index })),
      )
      .map((place, order): Placed => ({ ...place, order }))
    const at = new Map<string, Placed[]>()
    for (const place of places) {
      const here = at.get(`${place.within} ${place.path}`)
      if (here) here.push(place)
      else at.set(`${place.within} ${place.path}`, [place])
    }
    // One finding a place, at the later of two.
    const found = new Map<number, Finding>()
    for (const inner of places) {
      for (const path of upwards(inner.path)) {
        for (const outer of at.get(`${inner.within} ${path}`) ?? []) {
          if (outer === inner || (outer.access === 'read' && inner.access === 'read')) continue
          const [first, later] = outer.order < inner.order ? [outer, inner] : [inner, outer]
          const how = outer.path === inner.path ? 'is' : later === outer ? 'contains' : 'lies within'
          const whose = first.system === later.system ? '' : ` of \`${config.systems[first.system]?.name}\``
          found.set(later.order, {
            path: placeOf(config, later.system, later.key),
            message: `${how} the \`${first.key}\`${whose}: one would overwrite the other's data`,
            suggest: 'give each a place of its own',
          })
        }
      }
    }
    return [...found].sort(([a], [b]) => a - b).map(([, finding]) => finding)
  },
}

function locate(at: Place['at']): { within: string; path: string } {
  if ('claim' in at) return { within: `claim ${at.cluster}/${at.namespace}/${at.claim}`, path: '/' }
  const [kind, host, path] = 'nfs' in at ? ['nfs', at.nfs.server, at.nfs.path] : ['disk', at.host, at.path]
  return { within: `${kind} ${host.toLowerCase().replace(/\.$/, '')}`, path: posix.resolve('/', path) }
}

/** A path and all folders that contain it. */
function upwards(path: string): string[] {
  const paths = [path]
  for (let at = path; at !== '/'; ) {
    at = posix.dirname(at)
    paths.push(at)
  }
  return paths
}
