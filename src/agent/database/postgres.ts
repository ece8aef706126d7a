/** How to reach a server; what is not here libpq takes from its own variables and files. */
export interface Server {
  host: string
  user: string
  /** Variables for the client programs: the password is among them, so it is on no command line. */
  env: Record<string, string>
}

/** The server that the contract's variables name. */
export function serverOf(
  settings: { host: string; user: string },
  env: Readonly<Record<string, string | undefined>>,
): Server {
  const own: Record<string, string> = { PGCONNECT_TIMEOUT: '15' }
  for (const [name, value] of Object.entries(env)) if (/^PG[A-Z]+$/.test(name) && value !== undefined) own[name] = value
  delete own.PGADMINPASS
  own.PGHOST = settings.host
  own.PGUSER = settings.user
  // "-" is what the images in use take for "not supplied".
  if (env.PGADMINPASS && env.PGADMINPASS !== '-') own.PGPASSWORD = env.PGADMINPASS
  return { ...settings, env: own }
}
