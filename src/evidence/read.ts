import { readStatus, type StatusOptions } from '../status/status.ts'
import { type Evidence, monthOf, type SystemEvidence, systemEvidence } from './evidence.ts'

/** What is read, with which keys, of which month; `now` is the end of what is known of it. */
export type EvidenceOptions = Pick<StatusOptions, 'credentials' | 'folder' | 'now'> & {
  readonly config: StatusOptions['config'] & { readonly organisation: string }
  /** As 2026-10. */
  readonly month: string
}

/** Read the receipts of every system, and say what they prove of a month. @throws Error if it is no month */
export async function readEvidence({ config, credentials, folder, month, now }: EvidenceOptions): Promise<Evidence> {
  const period = monthOf(month)
  const read = new Map<string, SystemEvidence>()
  await readStatus({
    config,
    credentials,
    folder,
    now,
    onSystem: ({ system, observed, findings }) => {
      const unread = findings.find(({ id }) => id === 'no-answer')?.message
      const found = systemEvidence(system, observed?.history() ?? [], observed?.drillHistory() ?? [], period, now)
      read.set(system.name, { ...found, ...(unread !== undefined && { unread }) })
    },
  })
  const systems = config.systems.flatMap(({ name }) => read.get(name) ?? [])
  return { organisation: config.organisation, month, madeAt: now.toISOString(), systems }
}

/** How much there is, in a line, and a line for each system of which it is not complete. */
export function summariseEvidence({ systems }: Evidence): { summary: string; broken: string[] } {
  const copies = systems.reduce((sum, system) => sum + system.copies.length, 0)
  const proofs = systems.reduce((sum, system) => sum + system.proofs.length, 0)
  const broken = systems.flatMap(({ system, chain, unread }) => {
    const problem = unread ?? chain.problems[0]
    return problem === undefined ? [] : [`${system}: ${problem}`]
  })
  return { summary: `${copies} copies, ${proofs} proofs`, broken }
}
