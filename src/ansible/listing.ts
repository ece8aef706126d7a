import { join } from 'node:path'
import { execa } from 'execa'
import { ansibleEnvironment } from './playbook.ts'
import { ensureVenv, projectRoot } from './venv.ts'

/** A play as `ansible-playbook --list-hosts --list-tags` lists it. */
export interface PlayFacts {
  readonly hosts: readonly string[]
  /** Of the play and of all its tasks. */
  readonly tags: readonly string[]
}

/**
 * The plays of playbooks, in one run of ansible-playbook. It reads them as a run would; `undefined` if one of them
 * does not parse.
 *
 * @throws VenvError
 */
export async function listPlays(
  playbooks: readonly string[],
  inventory: string,
): Promise<Map<string, PlayFacts[]> | undefined> {
  const bin = await ensureVenv(() => {})
  const { failed, stdout } = await execa(
    join(bin, 'ansible-playbook'),
    ['--list-hosts', '--list-tags', '--inventory', inventory, ...playbooks],
    { cwd: projectRoot, env: ansibleEnvironment(bin), extendEnv: false, reject: false },
  )
  return failed ? undefined : readListing(stdout)
}

/** The listing's lines, by playbook. */
function readListing(listing: string): Map<string, PlayFacts[]> {
  const found = new Map<string, { hosts: string[]; tags: string[] }[]>()
  let plays: { hosts: string[]; tags: string[] }[] = []
  let inHosts = false
  for (const line of listing.split('\n')) {
    const playbook = /^playbook: (.+)$/.exec(line)?.[1]
    if (playbook !== undefined) {
      plays = []
      found.set(playbook, plays)
    } else if (/^ {2}play #/.test(line)) plays.push({ hosts: [], tags: [] })
    const play = plays.at(-1)
    const tags = /TAGS: \[(.*)\]$/.exec(line)?.[1]
    if (tags !== undefined) {
      inHosts = false
      play?.tags.push(...tags.split(', ').filter(tag => tag !== ''))
    } else if (/^ {4}hosts \(\d+\):/.test(line)) inHosts = true
    else if (inHosts && /^ {6}\S/.test(line)) play?.hosts.push(line.trim())
  }
  return found
}
