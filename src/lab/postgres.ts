import { existsSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { CommandFailure, exitCodes } from '../report/failure.ts'

/** Where users without privileges may read it, unlike the cache of root. */
const place = '/var/cache/fragalysis-backups'

/**
 * PostgreSQL of every major that the drill image has, for tests on this machine: the image's own programs and libraries,
 * made to run in place, so that nothing is installed here and no foreign package source is added.
 *
 * @param machine the command that runs another one where the Docker engine is
 * @returns the folder of `<major>/bin`, and that of the newest major's programs
 */
export async function exportPostgres(
  machine: readonly string[],
  image: string,
  log: (line: string) => void,
): Promise<{ programs: string; newest: string }> {
  const [program = '', ...args] = machine
  const docker = async (...words: string[]) => (await execa(program, [...args, 'docker', ...words])).stdout
  const id = (await docker('image', 'inspect', '--format={{.Id}}', image)).replace('sha256:', '').slice(0, 12)
  const root = join(place, `postgresql-${id}`)
  if (existsSync(root)) return await programsIn(root)
  log(`exporting PostgreSQL from ${image} to ${root}`)
  const partial = `${root}.partial`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true })
  const container = await docker('create', image)
  try {
    const exported = execa(program, [...args, 'docker', 'export', container], { buffer: false, stdout: 'pipe' })
    const wanted = ['lib64', 'usr/lib64', 'usr/lib', 'usr/share/postgresql']
    await exported.pipe('tar', ['--extract', '--directory', partial, ...wanted])
  } finally {
    await docker('rm', container)
  }
  await relocate(partial, root)
  for (const name of await readdir(place)) {
    if (name.startsWith('postgresql-')) {
      if (join(place, name) !== partial) await rm(join(place, name), { recursive: true, force: true })
    }
  }
  await rename(partial, root)
  return await programsIn(root)
}

async function programsIn(root: string): Promise<{ programs: string; newest: string }> {
  const programs = join(root, 'usr/lib/postgresql')
  const newest = Math.max(...(await readdir(programs)).map(Number))
  return { programs, newest: join(programs, String(newest), 'bin') }
}

/** Make the programs below a folder use the libraries beside them in `root`, not this machine's. */
async function relocate(folder: string, root: string): Promise<void> {
  const { stdout: libraries } = await execa('sh', ['-c', 'echo usr/lib/*-linux-gnu'], { cwd: folder })
  const { stdout: loader } = await execa('sh', ['-c', 'echo lib64/ld-linux-*.so.* usr/lib/ld-linux-*.so.*'], {
    cwd: folder,
  })
  const interpreter = loader.split(' ').find(path => existsSync(join(folder, path)))
  if (interpreter === undefined) {
    throw new CommandFailure(
      exitCodes.unreachable,
      `${folder} has no loader of glibc`,
      'see what the drill image is built on',
    )
  }
  for (const major of await readdir(join(folder, 'usr/lib/postgresql'))) {
    const bin = join(folder, 'usr/lib/postgresql', major, 'bin')
    for (const file of await readdir(bin, { withFileTypes: true })) {
      if (!file.isFile() || !(await isProgram(join(bin, file.name)))) continue
      const how = ['--set-interpreter', join(root, interpreter), '--force-rpath', '--set-rpath', join(root, libraries)]
      await execa('patchelf', [...how, join(bin, file.name)])
    }
  }
}

async function isProgram(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
    return buffer.toString('latin1') === '\x7fELF'
  } finally {
    await file.close()
  }
}
