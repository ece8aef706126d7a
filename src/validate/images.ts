import type { Config } from '../config/index.ts'
import { contentOf, type LockedPackage, readLock, renewCommand } from '../images/lock.ts'
import type { Problem } from '../report/problem.ts'

/**
 * The PostgreSQL major versions that the config's servers may have and the images have no client of. A newer client dumps
 * such a server too, but may not know what its last patches write; an older one cannot.
 */
export function checkImages(
  { agent }: Pick<Config, 'agent'>,
  file: string,
  locked: readonly LockedPackage[] = readLock(),
): Problem[] {
  const clients = contentOf('drill', locked).postgres.map(version => Number.parseInt(version, 10))
  return (agent.postgres ?? []).flatMap((major, index): Problem[] => {
    if (clients.includes(major)) return []
    const newer = clients.find(client => client > major)
    return [
      {
        ruleId: 'postgres-not-in-image',
        severity: newer === undefined ? 'error' : 'warning',
        location: { file, path: `agent.postgres[${index}]` },
        message:
          newer === undefined
            ? `the images have no PostgreSQL client that can dump a server of ${major}, only ${clients.join(', ')}`
            : `the images have no PostgreSQL client of ${major}; that of ${newer} dumps such servers`,
        suggest: `add ${major} to src/images/chosen.ts if Debian has it, and run \`${renewCommand}\`; or leave it out`,
      },
    ]
  })
}
