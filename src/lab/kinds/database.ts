import type { DatabaseSystem } from '../../kinds/index.ts'
import { databaseFingerprint, type Sql } from '../content/database.ts'
import { differences, type Facts } from '../content/difference.ts'
import { labEncrypt, labKitKey } from '../kit-key.ts'
import { emptyVolume, toolsContainer, withPod } from '../pod.ts'
import { inPod, kubectl, type LabAccess, rcloneRemote } from '../reach.ts'
import { claimOf, type LabKind, labNamespace, labVolume } from './kind.ts'

/** A PostgreSQL server of the lab's cluster, with content. */
export const labDatabase: LabKind<DatabaseSystem> = {
  adapt: system => ({
    ...system,
    namespace: labNamespace(system),
    volume: labVolume(system.volume, system.name),
    ...(system.encrypt && { encrypt: labEncrypt(system.name, system.encrypt) }),
  }),

  needs(system, { serverImage }) {
    const { name, namespace, service, user, password, database } = system
    const item = {
      system: name,
      namespace,
      service,
      secret: { name: password.secret, user_key: typeof user === 'string' ? '' : user.key, password_key: password.key },
      admin_user: typeof user === 'string' ? user : 'postgres',
      database: database ?? '',
      owner: database === undefined ? '' : 'fragalysis',
      profile: database === undefined ? 'infrastructure' : 'stack',
      // AWX lives in the production cluster, on its infrastructure database.
      awx: database === undefined && system.cluster === 'production',
      image: serverImage,
    }
    return {
      content: [{ list: 'lab_servers', key: `${namespace}/${service}/${database ?? ''}`, item }],
      claims: [{ namespace, claim: `${service}-data` }],
      secrets: [{ namespace, name: password.secret }],
      ...(system.encrypt && { drillKeys: [{ namespace, ...system.encrypt.drillIdentity, system: name }] }),
    }
  },

  async state(system, lab) {
    const facts = await databaseFingerprint((await serverOf(system, lab)).sql, system.database ?? '')
    const databases =
      system.database === undefined
        ? Object.entries(facts).filter(([name]) => name.startsWith('database '))
        : [[system.database, facts] as const]
    const tables = databases.flatMap(([, contents]) =>
      Object.entries(contents as Facts).filter(([name]) => name.startsWith('table ')),
    )
    const rows = tables.reduce((sum, [, table]) => sum + Number((table as Facts).rows), 0)
    const count = `${databases.length} database${databases.length === 1 ? '' : 's'}`
    return { facts, summary: `${count}, ${tables.length} tables, ${rows} rows` }
  },

  async destroy(system, lab) {
    await emptyVolume(lab, system, claimOf(system.volume))
    // The server's own folder; the next pod initialises a new, empty server in it.
    await inPod(lab, podOf(system), ['sh', '-c', 'rm -rf /data/*'])
    const pod = [`pod/${system.service}-0`, '-n', system.namespace]
    await kubectl(lab, ['delete', ...pod, '--grace-period=0', '--force'])
  },

  async bringBack(system, lab, restore) {
    // The pod of the new, empty server starts once its Secret is back.
    const { target, namespace } = podOf(system)
    await kubectl(lab, ['rollout', 'status', target, '-n', namespace, '--timeout=180s'])
    await restore()
  },

  /** Restores the dump into a fresh PostgreSQL server with rclone, gunzip and psql alone. */
  async prove(system, receipt, lab, log) {
    const original = await serverOf(system, lab)
    const { admin } = original
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
    log('starting a fresh server')
    return await withPod(lab, pod, async inContainer => {
      log(`fetching ${receipt.object.key}`)
      await inContainer('tools', ['rclone', 'copyto', `store:${receipt.bucket}/${receipt.object.key}`, '/copy/dump'])
      const found = (await inContainer('tools', ['sha256sum', '/copy/dump'])).slice(0, 64)
      if (found !== receipt.object.sha256)
        return [`the object's SHA-256 is ${found}, its receipt says ${receipt.object.sha256}`]

      log('restoring')
      const fresh: Sql = (into, sql) => inContainer('server', psql(admin, into), sql)
      if (database !== '') await fresh('postgres', await preparation(original.sql, database))
      const packed = receipt.object.key.replace(/\.age$/, '')
      if (packed !== receipt.object.key) {
        await inContainer(
          'tools',
          ['age', '-d', '-i', '-', '-o', '/copy/opened', '/copy/dump'],
          `${labKitKey.identity}\n`,
        )
        await inContainer('tools', ['mv', '/copy/opened', '/copy/dump'])
      }
      const unpack = packed.endsWith('.zst') ? 'zstd' : 'gzip'
      await inContainer('tools', ['sh', '-c', `${unpack} -dc </copy/dump >/copy/dump.sql`])
      // psql's messages are read whether it succeeds or not; a psql that is killed says nothing itself.
      // As in the runbook: a database that takes no writes is loaded nevertheless.
      const options = "PGOPTIONS='-c default_transaction_read_only=off'"
      const script = `${options} "$@" </copy/dump.sql 2>&1 >/dev/null || echo "error: psql exited with code $?"`
      const said = await inContainer('server', ['sh', '-c', script, 'restore', ...restore(admin, database)])
      const errors = said
        .split('\n')
        .filter(line => /(ERROR|FATAL|PANIC|error):/.test(line) && !isExpected(line, admin))
      if (errors.length > 0) return errors.slice(0, 5).map(line => `psql said: ${line}`)

      log('comparing with the original')
      return differences(
        database === '' ? 'server' : 'dump',
        await databaseFingerprint(original.sql, database),
        await databaseFingerprint(fresh, database),
      )
    })
  },
}

const podOf = (system: DatabaseSystem) => ({
  namespace: system.namespace,
  target: `statefulset/${system.service}`,
  container: 'server',
})

/** The system's server in the lab: its admin's name, and a way to ask it. */
async function serverOf(system: DatabaseSystem, lab: LabAccess): Promise<{ admin: string; sql: Sql }> {
  const admin = (await inPod(lab, podOf(system), ['printenv', 'ADMIN_USER'])).trim()
  return { admin, sql: (database, text) => inPod(lab, podOf(system), psql(admin, database), text) }
}

/** psql as the admin over the server's own socket, without a password; `database` may have any name. */
export function psql(admin: string, database: string): string[] {
  const quoted = database.replaceAll(/[\\']/g, String.raw`\$&`)
  return ['psql', '-XAtq', '--set=ON_ERROR_STOP=1', `--username=${admin}`, `--dbname=dbname='${quoted}'`]
}

/** Stops at the first error, except for a dump of a whole server, which always meets those of `isExpected`. */
function restore(admin: string, database: string): string[] {
  if (database !== '') return psql(admin, database)
  return ['psql', '-Xq', `--username=${admin}`, '--dbname=postgres']
}

/** The restoring role exists already and cannot be dropped: the two errors that every dump of a whole server meets. */
function isExpected(line: string, admin: string): boolean {
  return line.endsWith(`role "${admin}" already exists`) || line.endsWith('current user cannot be dropped')
}

/** SQL that creates what a single database's dump expects: its owner, and the database itself. */
async function preparation(original: Sql, database: string): Promise<string> {
  const quoted = `'${database.replaceAll("'", "''")}'`
  return await original(
    'postgres',
    `SELECT CASE WHEN rolname <> current_user THEN format('CREATE ROLE %I; ', rolname) ELSE '' END
       || format('CREATE DATABASE %I OWNER %I TEMPLATE template0;', datname, rolname)
     FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba WHERE datname = ${quoted}`,
  )
}

/** A container with an empty PostgreSQL server that listens on its socket alone. */
export function freshServer(lab: LabAccess, admin: string, copy: { name: string; mountPath: string }) {
  const script = `
    export PATH="$(echo /usr/lib/postgresql/*/bin):$PATH"
    as_postgres="setpriv --reuid postgres --regid postgres --init-groups"
    install -d -o postgres /server /run/postgresql
    $as_postgres initdb -D /server --username="$0" --auth=trust --encoding=UTF8 --locale=C.UTF-8
    exec $as_postgres postgres -D /server -c listen_addresses= -c fsync=off -c wal_level=logical`
  const ready = { exec: { command: ['pg_isready', '--quiet', `--username=${admin}`] } }
  return {
    name: 'server',
    image: lab.images.base,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-euc', script, admin],
    securityContext: { runAsUser: 0, runAsGroup: 0 },
    startupProbe: { ...ready, periodSeconds: 1, failureThreshold: 300 },
    readinessProbe: { ...ready, periodSeconds: 15 },
    volumeMounts: [copy],
  }
}
