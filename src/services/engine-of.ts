import type { Engine } from '../core/engine.ts'
import { unavailable } from '../core/failure.ts'

/** The engine of a member; `unavailable` where this process has none of that name, as with one that was configured once. */
export function engineOf(engines: ReadonlyMap<string, Engine>, member: string): Engine {
  const engine = engines.get(member)
  if (engine === undefined) throw unavailable(`The engine "${member}" is not known to this process`)
  return engine
}
