import type { Column, Fault } from '../matrix.ts'
import type { Injected, Subject } from './subject.ts'

/** A fault that runs of the agent on this machine meet. */
export interface AgentFault {
  readonly fault: Fault
  readonly cells: Partial<Record<Column, (subject: Subject) => Promise<Injected>>>
}
