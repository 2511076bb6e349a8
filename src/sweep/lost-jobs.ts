/** Operations that no queue knows: accepted, but the job was never added, or was lost with its worker or with Redis. */
import type { OperationRecord } from '../contract/operation-record.ts'
import { isFinal, NOTHING_MORE } from '../core/operation-states.ts'
import type { Clock, Ending, JobQueue, OperationStore } from '../core/ports.ts'
import type { Mend } from './mend.ts'

export interface LostJobsDeps {
  store: Pick<OperationStore, 'getMany' | 'raiseEpoch' | 'end'>
  queue: Pick<JobQueue, 'has' | 'add'>
  clock: Clock
}

/** Those of these operations whose job is gone; each is resumed, undone or failed by the worker that takes it. */
export async function findLostJobs(deps: LostJobsDeps, ids: string[]): Promise<Mend[]> {
  const operations = await deps.store.getMany(ids)
  const found = await Promise.all(
    operations.map(async (operation) => {
      if (isFinal(operation.state)) return []
      // Where nothing says whose queue it is for, no worker will ever end it.
      if (operation.unreadable !== undefined && operation.member === '') return [failUnreadable(deps, operation)]
      return (await isLost(deps, operation)) ? [queueAgain(deps, operation)] : []
    }),
  )
  return found.flat()
}

async function isLost({ queue }: LostJobsDeps, { id, member, place }: OperationRecord): Promise<boolean> {
  return place === 'worker' && !(await queue.has(member, id))
}

/** The epoch is raised first: whoever still held the lost job can write nothing any more. */
function queueAgain({ store, queue, clock }: LostJobsDeps, { id, kind, member, state }: OperationRecord): Mend {
  return {
    action: 'queue',
    object: `operation ${id}`,
    reason: `It is ${state}, and the queue does not know it`,
    mend: async () => {
      const hold = await store.raiseEpoch(id, clock.now())
      if (hold !== undefined) await queue.add(member, { id, kind, epoch: hold.epoch })
      return hold !== undefined
    },
  }
}

function failUnreadable({ store, clock }: LostJobsDeps, { id, unreadable = '' }: OperationRecord): Mend {
  return {
    action: 'end',
    object: `operation ${id}`,
    reason: unreadable,
    mend: async () => {
      const hold = await store.raiseEpoch(id, clock.now())
      return hold !== undefined && (await store.end(hold, { ...FAILED, err: unreadable, at: clock.now() })) === 'ended'
    },
  }
}

const FAILED: Omit<Ending, 'err' | 'at'> = { ...NOTHING_MORE, state: 'failure', code: 'internal', metadata: null }
