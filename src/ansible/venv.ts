import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { CommandFailure, exitCodes } from '../report/failure.ts'

/** The project's root: the folder that holds `package.json`, `ansible.cfg` and `.venv`. */
export const projectRoot = join(import.meta.dirname, '../..')

/** There is no Python that can run Ansible, or its installation failed. */
export class VenvError extends CommandFailure {
  override name = 'VenvError'
  constructor(message: string, next: string) {
    super(exitCodes.unreachable, message, next)
  }
}

/**
 * Makes sure that the project's `.venv` holds exactly what `requirements.txt` pins, and returns its `bin` folder.
 *
 * Costs a read of two small files when it does. Otherwise builds it (about a minute and 600 MB); calls at the same
 * time wait for each other, and a build that is cut short counts as none.
 *
 * @param log takes one line of progress at a time; none come when nothing is to be done
 * @param root the folder that holds `requirements.txt` and will hold `.venv`
 * @throws VenvError
 */
export async function ensureVenv(log: (line: string) => void, root = projectRoot): Promise<string> {
  const folder = join(root, '.venv')
  const bin = join(folder, 'bin')
  const requirements = join(root, 'requirements.txt')
  const mark = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
  const found = await readFile(join(folder, '.complete'), 'utf8').catch(() => undefined)
  if (found === mark) return bin

  const python = await findPython()
  const build = execa(python, [join(import.meta.dirname, 'build_venv.py'), folder, requirements, mark], {
    all: true,
    reject: false,
  })
  for await (const line of build.iterable({ from: 'all' })) log(`Ansible: ${line}`)
  const result = await build
  if (result.failed) {
    const cause = result.all?.trim().split('\n').slice(-5).join('\n') || result.shortMessage
    throw new VenvError(
      `${folder} could not be built with ${python} from ${requirements}:\n${cause}`,
      'check that the Python package index can be reached, and run the command again',
    )
  }
  return bin
}

// What ansible-core 2.19 runs on as its controller, the best tried first; 3.14 works but is newer than it.
const pythons = ['python3.13', 'python3.12', 'python3.11', 'python3', 'python3.14']

async function findPython(): Promise<string> {
  const seen: string[] = []
  for (const python of pythons) {
    const probe = 'import ensurepip, sys, venv; print(sys.version_info >= (3, 11))'
    const { stdout, failed, exitCode } = await execa(python, ['-c', probe], { reject: false })
    if (stdout === 'True') return python
    if (!failed) seen.push(`${python} is older`)
    else if (exitCode === 1) seen.push(`${python} lacks the modules venv or ensurepip`)
  }
  throw new VenvError(
    `Ansible needs Python 3.11 or newer with its venv module${seen.length > 0 ? ` (${seen.join(', ')})` : ''}`,
    'install it (Debian: apt-get install python3 python3-venv) and run the command again',
  )
}
