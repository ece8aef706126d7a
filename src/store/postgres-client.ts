/**
 * Explain how a PostgreSQL server is newer than the clients that dump it; undefined if one of its own major version is
 * at least as recent. A dump by an older client may contain statements that no server accepts, or lack what the server
 * added since.
 *
 * @param server its version, as `17.12`
 * @param clients their versions, oldest first
 */
export function movedPast(server: string, clients: readonly string[]): string | undefined {
  const [major = 0, minor = 0] = numbersOf(server)
  const own = clients.find(client => numbersOf(client)[0] === major)
  if (own === undefined) {
    const newer = clients.find(client => (numbersOf(client)[0] ?? 0) > major)
    return newer === undefined
      ? `no PostgreSQL client, of ${clients.join(', ') || 'none'}, can dump the server's ${server}`
      : `there is no PostgreSQL client of ${major}: that of ${newer} dumps the server's ${server}`
  }
  if ((numbersOf(own)[1] ?? 0) >= minor) return undefined
  return `the PostgreSQL client ${own} is older than the server's ${server}`
}

/** What to do about it. */
export const moveOn = 'run `npm run images -- renew`, build the images, and deploy them'

function numbersOf(version: string): number[] {
  return (/\d+(?:\.\d+)*/.exec(version)?.[0] ?? '').split('.').map(Number)
}
