/** Changes of records that need no operation: one script, with the answer and the event they lead to. */
import type { Lifecycle } from '../contract/operation-record.ts'
import { isFailure } from '../core/failure.ts'
import type { Clock, RecordChange, RecordStore } from '../core/ports.ts'
import { keptAnswer, type Caller } from './caller.ts'
import { toRefusal } from './operations.ts'
import { isRoomLost, MOST_TRIES } from './project-room.ts'

export interface Writing {
  changes: RecordChange[]
  /** LXD's lifecycle action with the URL of what it is about; none for what is the server's own business. */
  event?: Pick<Lifecycle, 'action' | 'source' | 'project'> & { context?: Record<string, unknown> }
  /** Said when a name is taken. */
  taken?: string
  /** Refused as busy while one of these has an owner. */
  unlessBusy?: string[] | undefined
  /** Refused as busy while one of these has an owner or users. */
  unlessUsed?: string[]
}

/**
 * Writes for a caller. A refusal is thrown: conflict for a name taken, something busy or changed meanwhile. A function
 * is asked anew as often as somebody else has changed the project.
 */
export type Write = (caller: Caller, writing: Writing | (() => Promise<Writing>)) => Promise<void>

export function createWrites(deps: { records: RecordStore; clock: Clock }): Write {
  return async (caller, asked) => {
    for (let tries = 1; ; tries++) {
      const { changes, event, taken, unlessBusy, unlessUsed } = typeof asked === 'function' ? await asked() : asked
      const written = await deps.records.write({
        changes,
        unlessBusy,
        unlessUsed,
        idempotency: keptAnswer(caller),
        lifecycle: event === undefined ? [] : [{ context: {}, ...event, requestor: caller.requestor }],
        at: deps.clock.now(),
      })
      if (written.outcome === 'written') return
      if (typeof asked !== 'function' || !isRoomLost(written) || tries >= MOST_TRIES) throw toRefusal(written, taken)
    }
  }
}

/** Tells of what changed no record: a command, or something that was read. That goes on while Redis is away. */
export async function tellOf(write: Write, caller: Caller, event: NonNullable<Writing['event']>): Promise<void> {
  try {
    await write(caller, { changes: [], event })
  } catch (failure) {
    if (!isFailure(failure, 'unavailable', 'timeout')) throw failure
  }
}
