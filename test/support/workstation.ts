import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { projectRoot } from '../../src/ansible/venv.ts'
import type { System } from '../../src/kinds/index.ts'
import { storeEnvironment } from './bucket.ts'

/** The commands of a workstation, with a cache of their own. */
export interface Workstation {
  readonly folder: string
  /** Run a command of ours as a user would, on these systems alone. */
  run(systems: readonly System[], ...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }>
  end(): Promise<void>
}

export async function workstation(): Promise<Workstation> {
  const folder = await mkdtemp(join(tmpdir(), 'backups-status-'))
  const environment = storeEnvironment()
  const run = async (systems: readonly System[], ...args: string[]) => {
    const config = join(folder, 'backups.config.ts')
    await writeFile(
      config,
      `import production from ${JSON.stringify(join(projectRoot, 'backups.config.ts'))}
export default {
  ...production,
  store: { ...production.store, endpoint: ${JSON.stringify(environment.RCLONE_S3_ENDPOINT)} },
  systems: ${JSON.stringify(systems)},
}
`,
    )
    const keys = { access_key_id: environment.AWS_ACCESS_KEY_ID, secret_access_key: environment.AWS_SECRET_ACCESS_KEY }
    const stores = ['production', 'development', ...systems.map(({ name }) => name)]
    const credentials = join(folder, 'secrets.yml')
    await writeFile(credentials, JSON.stringify(Object.fromEntries(stores.map(name => [`Store: ${name}`, keys]))))
    const { exitCode, stdout, stderr } = await execa(
      'node',
      [join(projectRoot, 'tools/backups.js'), ...args, '--config', config, '--credentials', credentials],
      { reject: false, env: { XDG_CACHE_HOME: join(folder, 'cache') } },
    )
    return { exitCode: exitCode ?? -1, stdout, stderr }
  }
  return { folder, run, end: () => rm(folder, { recursive: true }) }
}
