import type { DatabaseSystem } from '../../kinds/index.ts'
import type { Receipt } from '../../store/receipt.ts'
import { databaseFingerprint, type Sql } from '../content/database.ts'
import { differences } from '../content/difference.ts'
import { type InContainer, toolsContainer, withPod } from './pod.ts'
import { inPod, type ProofLab, rcloneRemote } from './reach.ts'

/**
 * Restores the receipt's dump into a fresh PostgreSQL server with rclone, gunzip and psql alone, and compares it with the
 * original. Returns what differs, in words.
 */
export async function proveDatabase(
  system: DatabaseSystem,
  receipt: Receipt,
  lab: ProofLab,
  say: (doing: string) => void,
): Promise<string[]> {
  const server = { namespace: system.namespace, target: `statefulset/${system.service}`, container: 'server' }
  const original: InContainer = (_, command, input) => inPod(lab, server, command, input)
  const admin = (await original('server', ['printenv', 'ADMIN_USER'])).trim()
  const sqlOf =
    (run: InContainer): Sql =>
    (database, sql) =>
      run('server', psql(admin, database), sql)
  const database = system.database ?? ''

  const name = `proof-${system.name}`
  const copy = { name: 'copy', mountPath: '/copy' }
  const pod = {
    namespace: name,
    ownNamespace: true,
    name,
    containers: [freshServer(lab, admin, copy), toolsContainer(lab, name, [copy])],
    volumes: [{ name: 'copy', emptyDir: {} }],
    variables: rcloneRemote(lab.storeOf(system)),
  }
  say('starting a fresh server')
  return await withPod(lab, pod, async inContainer => {
    say(`fetching ${receipt.object.key}`)
    await inContainer('tools', ['rclone', 'copyto', `store:${receipt.bucket}/${receipt.object.key}`, '/copy/dump'])
    const found = (await inContainer('tools', ['sha256sum', '/copy/dump'])).slice(0, 64)
    if (found !== receipt.object.sha256)
      return [`the object's SHA-256 is ${found}, its receipt says ${receipt.object.sha256}`]

    say('restoring')
    const fresh = sqlOf(inContainer)
    if (database !== '') await fresh('postgres', await preparation(sqlOf(original), database))
    const unpack = receipt.object.key.endsWith('.zst') ? 'zstd' : 'gzip'
    await inContainer('tools', ['sh', '-c', `${unpack} -dc </copy/dump >/copy/dump.sql`])
    // What psql says is read whether it ends well or not; a psql that is killed says nothing itself.
    const script = '"$@" </copy/dump.sql 2>&1 >/dev/null || echo "error: psql ended with exit code $?"'
    const said = await inContainer('server', ['sh', '-c', script, 'restore', ...restore(admin, database)])
    const errors = said.split('\n').filter(line => /(ERROR|FATAL|PANIC|error):/.test(line) && !isExpected(line, admin))
    if (errors.length > 0) return errors.slice(0, 5).map(line => `psql said: ${line}`)

    say('comparing with the original')
    const name = database === '' ? 'server' : 'dump'
    return differences(
      name,
      await databaseFingerprint(sqlOf(original), database),
      await databaseFingerprint(fresh, database),
    )
  })
}

/** psql as the admin on the server's own socket, which trusts; `database` may bear any name. */
export function psql(admin: string, database: string): string[] {
  const quoted = database.replaceAll(/[\\']/g, String.raw`\$&`)
  return ['psql', '-XAtq', '--set=ON_ERROR_STOP=1', `--username=${admin}`, `--dbname=dbname='${quoted}'`]
}

/** A dump of one database stops at the first error. That of a server goes on over two that it must meet, see `isExpected`. */
function restore(admin: string, database: string): string[] {
  if (database !== '') return psql(admin, database)
  return ['psql', '-Xq', `--username=${admin}`, '--dbname=postgres']
}

/** The role that restores is there already and cannot be dropped: the two errors that every whole server's dump meets. */
function isExpected(line: string, admin: string): boolean {
  return line.endsWith(`role "${admin}" already exists`) || line.endsWith('current user cannot be dropped')
}

/** What must be there before a single database's dump can be restored: its owner, and the database itself. */
async function preparation(original: Sql, database: string): Promise<string> {
  const quoted = `'${database.replaceAll("'", "''")}'`
  return await original(
    'postgres',
    `SELECT CASE WHEN rolname <> current_user THEN format('CREATE ROLE %I; ', rolname) ELSE '' END
       || format('CREATE DATABASE %I OWNER %I TEMPLATE template0;', datname, rolname)
     FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba WHERE datname = ${quoted}`,
  )
}

/** A PostgreSQL server with nothing in it, reached by its socket alone. */
export function freshServer(lab: ProofLab, admin: string, copy: { name: string; mountPath: string }) {
  const script = `
    export PATH="$(echo /usr/lib/postgresql/*/bin):$PATH"
    as_postgres="setpriv --reuid postgres --regid postgres --init-groups"
    install -d -o postgres /server /run/postgresql
    $as_postgres initdb -D /server --username="$0" --auth=trust --encoding=UTF8 --locale=C.UTF-8
    exec $as_postgres postgres -D /server -c listen_addresses= -c fsync=off -c wal_level=logical`
  return {
    name: 'server',
    image: lab.images.base,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-euc', script, admin],
    securityContext: { runAsUser: 0, runAsGroup: 0 },
    readinessProbe: { exec: { command: ['pg_isready', '--quiet', `--username=${admin}`] }, periodSeconds: 1 },
    volumeMounts: [copy],
  }
}
