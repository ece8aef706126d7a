import { join } from 'node:path'
import { execa } from 'execa'
import { ansibleEnvironment } from '../src/ansible/playbook.ts'
import { ensureVenv, projectRoot } from '../src/ansible/venv.ts'
import { exitCodes, Failure } from '../src/report/failure.ts'

export const command = 'lint'
export const describe = 'Biome and tsc for TypeScript, ansible-lint for Ansible'
export const builder = {}

export async function handler(): Promise<void> {
  const bin = await ensureVenv(line => process.stderr.write(`${line}\n`))
  const local = join(projectRoot, 'node_modules/.bin')
  const runs: [string, string[]][] = [
    [join(local, 'biome'), ['check', '.']],
    [join(local, 'tsc'), ['--noEmit']],
    [join(bin, 'ansible-lint'), ['--offline']],
  ]
  const failed: string[] = []
  for (const [file, args] of runs) {
    const name = file.split('/').at(-1) ?? file
    process.stderr.write(`lint: ${name} ${args.join(' ')}\n`)
    const result = await execa(file, args, {
      cwd: projectRoot,
      env: ansibleEnvironment(bin),
      extendEnv: false,
      stdio: ['ignore', 'inherit', 'inherit'],
      reject: false,
    })
    if (result.failed) failed.push(name)
  }
  if (failed.length > 0) throw new Failure(exitCodes.findings, `${failed.join(', ')} found something`, 'see above')
}
