import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../run/outcome.ts'

/** A version as PostgreSQL's programs and servers print it. */
export interface Version {
  /** `17.12`, `18beta1`. */
  text: string
  major: number
}

/** The version in the output of a program's `--version` or of a server. */
export function versionIn(text: string): Version {
  const found = /(\d+)(?:\.[\d.]+|devel|beta\d+|rc\d+)?/.exec(text.replace(/^.*\(PostgreSQL\)/, ''))
  return { text: found?.[0] ?? text, major: Number(found?.[1] ?? 0) }
}

/** Debian installs the programs of each major in `<major>/bin` of this folder. */
function folder(): string {
  return process.env.BACKUP_POSTGRES_PROGRAMS || '/usr/lib/postgresql'
}

/** The majors for which a program is installed, oldest first. */
export function majorsWith(program: string): number[] {
  if (!existsSync(folder())) return []
  return readdirSync(folder())
    .map(Number)
    .filter(major => major > 0 && existsSync(programPath(major, program)))
    .sort((a, b) => a - b)
}

/** The path of a major's program, whether installed or not. */
export function programPath(major: number, program: string): string {
  return join(folder(), String(major), 'bin', program)
}

/** A dump program and its version. */
export interface DumpProgram {
  path: string
  version: Version
}

/**
 * The dump program for a server: that of the server's major if installed, else that of the next newer one. A client of
 * another major may lack what the server's latest patch releases write, and an older one cannot dump the server.
 *
 * @throws Failure client if only older ones are installed
 */
export async function dumpProgramFor(program: 'pg_dump' | 'pg_dumpall', server: Version): Promise<DumpProgram> {
  const installed = majorsWith(program)
  const major = installed.find(candidate => candidate >= server.major)
  if (major === undefined) {
    const has = installed.length > 0 ? `has only ${installed.join(', ')}` : 'has none'
    throw new Failure(
      'client',
      `the server is PostgreSQL ${server.text}, and ${folder()} ${has}: use an image with ${program} ${server.major}`,
    )
  }
  const path = programPath(major, program)
  return { path, version: await versionOf(path) }
}

/**
 * The version of a program.
 * @throws Failure client if it cannot be started
 */
async function versionOf(program: string): Promise<Version> {
  try {
    const { stdout } = await execa(program, ['--version'])
    return versionIn(stdout)
  } catch (error) {
    throw new Failure('client', `${program} cannot be started: ${(error as Error).message}`, { cause: error })
  }
}
