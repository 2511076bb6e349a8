/** What a role may do with a container made by others is decided on what the engine says it is. */
import type { InstanceRecord } from '../contract/records.ts'
import type { Engine } from '../core/engine.ts'
import { notFound } from '../core/failure.ts'
import { checkForeign, isForeign } from '../core/foreign.ts'
import { engineOf } from './engine-of.ts'
import type { Caller } from './caller.ts'

export interface Foreign {
  /** Throws forbidden where the caller may not start, stop or run in it, or read its logs. Nothing to say of our own. */
  check(caller: Caller, record: InstanceRecord): Promise<void>
}

export function createForeign({ engines }: { engines: ReadonlyMap<string, Engine> }): Foreign {
  return {
    check: async (caller, record) => {
      if (!isForeign(record)) return
      const engine = engineOf(engines, record.member)
      const detail = await engine.containers.inspect(record.container)
      if (detail === undefined) throw notFound('Instance not found')
      checkForeign(caller.role, detail)
    },
  }
}
