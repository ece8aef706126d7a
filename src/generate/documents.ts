import type { Config } from '../config/index.ts'
import { findingsPage } from './findings.ts'
import { referencePages } from './reference.ts'
import { runbook } from './runbook.ts'

/** Every generated page of `docs/`, path → text. */
export function documents(config: Config): Map<string, string> {
  const pages = [...referencePages()].map(([path, text]): [string, string] => [`reference/${path}`, text])
  return new Map([...pages, ['RUNBOOK.md', runbook(config)], ['FINDINGS.md', findingsPage()]])
}
