import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { folder, runAgent } from '../../support/agent.ts'
import { startServer, type TestServer } from '../../support/postgres.ts'

// The old recovery image removes `CREATE ROLE <user>;` and `DROP ROLE <user>;` from a dump, and nothing else, then lets
// psql stop at the first error.
async function recoverAsBefore({ env }: TestServer, dump: string) {
  const { PGUSER: user = '', PGADMINPASS: PGPASSWORD = '' } = env
  const filter = `gunzip -c "$1" | sed -E '/^(CREATE|DROP) ROLE "?${user}"?;/d' | psql -X -q -v ON_ERROR_STOP=1 postgres`
  return await execa('bash', ['-o', 'pipefail', '-c', filter, 'recover', dump], {
    env: { ...env, PGPASSWORD },
    reject: false,
  })
}

// Everything that a dump says of the role that restores it.
const attributes = (user: string) => `
  create role readers nologin;
  create role "Jane O'Neil" login bypassrls valid until '2031-03-31';
  alter role "${user}" valid until '2099-12-31 12:00:00+00' connection limit 50;
  alter role "${user}" set statement_timeout = '7min';
  comment on role "${user}" is 'DROP ROLE IF EXISTS "${user}"; is only text here';
  grant readers to "${user}" with admin option;
  grant "Jane O'Neil" to readers;
`

test.each(['admin', 'im-admin'])(
  'a dump of a server goes in through the filter of the old recovery image, made by %s',
  async admin => {
    const server = await startServer({ admin })
    await server.sql('postgres', attributes(admin))
    await server.sql('postgres', 'create database frag owner readers')
    await server.sql('frag', `create table notes (line text); insert into notes values ('DROP ROLE IF EXISTS x;')`)
    await server.sql('frag', `alter role "${admin}" in database frag set work_mem = '64MB'`)
    const volume = await folder()
    expect((await runAgent({ ...server.env, BACKUP_VOLUME: volume, BACKUP_SYSTEM: 's' })).code).toBe(0)
    const [name = ''] = (await readdir(join(volume, 'hourly'))).filter(file => file.endsWith('.sql.gz'))

    const shown = `select concat_ws(' ', rolvaliduntil, rolconnlimit, shobj_description(oid, 'pg_authid'),
    pg_has_role(oid, 'readers', 'member')) from pg_roles where rolname = '${admin}'`
    const before = await server.sql('postgres', shown)
    // Where the roles and databases are still there, and where nothing is.
    for (const target of [server, await startServer({ admin })]) {
      const recovered = await recoverAsBefore(target, join(volume, 'hourly', name))
      expect(recovered.exitCode, recovered.stderr).toBe(0)
      expect(await target.sql('postgres', shown)).toBe(before)
      expect(await target.sql('frag', 'select line from notes')).toBe('DROP ROLE IF EXISTS x;')
      expect(await target.sql('frag', 'show work_mem')).toBe('64MB')
    }
  },
)
