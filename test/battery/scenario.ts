/** What a scenario is, and what several of them need. */
import type { WorkerKind } from '../../src/operations/catalog.ts'
import type { Bed } from './bed.ts'
import type { Kit } from './scenario-kit.ts'

export interface Request {
  method: string
  path: string
  body?: unknown
  headers?: Record<string, string>
  /** What the operation's record calls the thing it is about. */
  entity: string
}

export interface Scenario {
  kind: WorkerKind
  name: string
  /** Runs of the same word must not run at the same time. */
  alone?: string
  /** It may end so where its worker dies. */
  lost?: RegExp
  /** What it has done stays where it is cancelled or fails. */
  lasting?: boolean
  /** Makes what is needed, named after the tag; what is to be sent then. */
  prepare(kit: Kit, tag: string): Promise<Request>
}

type Prepare = Scenario['prepare']
export type Variant = Omit<Scenario, 'kind'>

/** A kind's only scenario. */
export const one = (prepare: Prepare, more: Partial<Variant> = {}): Variant[] => [{ name: 'only', prepare, ...more }]

/** The image of the bed's registry. */
export const ofRegistry = ({ registry }: Bed) => ({
  type: 'image',
  alias: `${registry}/tiny/image:1`,
})
