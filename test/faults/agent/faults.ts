import type { Column, Fault } from '../matrix.ts'
import type { Injected, Subject } from './subject.ts'

type Inject = (subject: Subject) => Promise<Injected>

/** The run tells that it failed. */
export const fails = { alarm: 'fail' } as const
/** The fault does not stop the run. */
export const survives = { exit: 0, alarm: 'success' } as const

/** Every system meets the fault alike. */
export const every = (inject: Inject) => ({ database: inject, media: inject, kit: inject })

/** A fault that runs of the agent on this machine meet. */
export interface AgentFault {
  readonly fault: Fault
  readonly cells: Partial<Record<Column, Inject>>
}
