/** How to connect to a server; libpq reads anything missing here from its own variables and files. */
export interface Server {
  host: string
  user: string
  /** Variables for the client programs. They include the password, so it appears on no command line. */
  env: Record<string, string>
}

/** The server named by the contract's variables. */
export function serverOf(
  settings: { host: string; user: string },
  env: Readonly<Record<string, string | undefined>>,
): Server {
  const own: Record<string, string> = { PGCONNECT_TIMEOUT: '15' }
  for (const [name, value] of Object.entries(env)) if (/^PG[A-Z]+$/.test(name) && value !== undefined) own[name] = value
  delete own.PGADMINPASS
  own.PGHOST = settings.host
  own.PGUSER = settings.user
  // The old images read "-" as "not supplied".
  if (env.PGADMINPASS && env.PGADMINPASS !== '-') own.PGPASSWORD = env.PGADMINPASS
  return { ...settings, env: own }
}
