import production from '../../backups.config.ts'
import type { System } from '../../src/kinds/index.ts'
import { expectationsOf } from '../../src/status/expect.ts'
import { dated } from '../../src/status/first-seen.ts'
import { type PageInput, type PageSystem, statusPage } from '../../src/status/page.ts'
import { pageSystem } from '../../src/status/page-system.ts'
import { rowOf, unansweredRow } from '../../src/status/row.ts'
import { assess, type Finding, findingKinds, type Observed } from '../../src/store/assess.ts'
import { observed, type Run, receiptsOf } from './receipts.ts'

const now = new Date('2026-11-25T08:30:00Z')
const DAY_MS = 86_400_000

export const systemNamed = (name: string) => production.systems.find(system => system.name === name) as System

/** A system whose texts are markup. */
export const hostile = {
  ...systemNamed('infra-db-production'),
  name: 'hostile',
  description: '<script>document.title = "run"</script> & "quotes"',
} as System

/** A system with the given runs and drills, oldest first, as the page shows it. */
export function systemWith(
  system: System,
  runs: readonly Run[],
  drills: readonly Run[] = [],
  more: Partial<Observed> = {},
) {
  const place = {
    system: system.name,
    bucket: system.bucket,
    kind: system.kind,
    keyOf: (taken: Date) => `copy-${taken.toISOString()}`,
  }
  const all = receiptsOf(place, runs)
  const allDrills = receiptsOf({ ...place, system: `drill.${system.name}` }, drills)
  const kept = {
    ...observed(all, { drills: allDrills }),
    objects: observed(all).objects.slice(0, 'keep' in system && system.keep > 1 ? system.keep : 30),
    ...more,
  }
  const assessment = assess(expectationsOf(system, kept.receipts), kept, now)
  const row = rowOf(system, kept, assessment, now)
  const observation = { ...kept, history: () => [...all], drillHistory: () => [...allDrills], withoutKey: 0 }
  return {
    page: pageSystem({ system, row, findings: assessment.findings, observed: observation, assessment }),
    findings: assessment.findings,
  }
}

/** Runs at an interval of this many days until `last`, growing and varying as real ones do. */
export function runsOf(
  days: number,
  every: number,
  last: Date,
  more: (index: number) => Partial<Run> = () => ({}),
): Run[] {
  return Array.from({ length: Math.floor(days / every) }, (_, index) => {
    const left = Math.floor(days / every) - 1 - index
    const wave = Math.sin(index * 12.9898) * 0.5
    return {
      taken: new Date(last.getTime() - left * every * DAY_MS),
      bytes: Math.round(3e9 + index * every * 2e6 + wave * 2e7),
      seconds: Math.round(400 + wave * 60),
      ...more(index),
    }
  })
}

export async function pageWith(
  systems: readonly { page: PageSystem; findings: readonly Finding[] }[],
  more: Partial<PageInput> = {},
) {
  const findings = await dated(
    systems.flatMap(system => system.findings),
    '/dev/null/nowhere',
    now,
  )
  return statusPage({
    organisation: production.organisation,
    at: now,
    systems: systems.map(({ page }) => page),
    findings,
    ...more,
  })
}

/** A system whose bucket did not answer. */
export function unanswered(system: System) {
  const { severity, next } = findingKinds['no-answer']
  const finding: Finding = {
    id: 'no-answer',
    severity,
    system: system.name,
    message: `${system.bucket}: connect ECONNREFUSED`,
    next,
  }
  return { page: pageSystem({ system, row: unansweredRow(system, now), findings: [finding] }), findings: [finding] }
}
