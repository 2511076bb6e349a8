/** start, stop, freeze, unfreeze and delete, as this API's users expect them to end. */
import type { OperationRecord } from '../../contract/operation-record.ts'
import { isFailure } from '../../core/failure.ts'
import { isForeign } from '../../core/foreign.ts'
import type { Caller } from '../../services/caller.ts'
import type { Listed } from '../../services/directory.ts'
import { settle, type DialectKit } from '../dialect.ts'
import { misspelled, stateAs } from './errors.ts'

const ACTIONS = ['start', 'stop', 'freeze', 'unfreeze'] as const
export type ActionName = (typeof ACTIONS)[number]

/** Seconds a container gets to end by itself before it is killed. */
const STOP_WITHIN = 30

export function parseAction(text: unknown): ActionName {
  const action = ACTIONS.find((known) => known === text)
  if (action === undefined) throw misspelled()
  return action
}

/** Done when it resolves; a repeat by Idempotency-Key finds the last operation. */
export async function act(kit: DialectKit, caller: Caller, { view, where }: Listed, action: ActionName): Promise<void> {
  const { status } = view.status
  const change = async (as: Caller, name: ActionName, how: { timeout?: number; force?: boolean } = {}) => {
    const submitted = stateAs(kit.services.instances.changeState(as, where, { action: name, ...how }))
    return settle(kit, await submitted)
  }
  if (action === 'start' && status === 'Frozen' && !isForeign(where)) await change(caller, 'unfreeze')
  else if (action !== 'stop') await change(caller, action)
  else if (status === 'Frozen') await change(caller, 'stop', { force: true })
  else await change(caller, 'stop', { timeout: STOP_WITHIN }).catch(killed(change, caller))
}

type Change = (as: Caller, name: ActionName, how: { force: boolean }) => Promise<OperationRecord>

/** What did not end in time is killed. */
function killed(change: Change, caller: Caller) {
  return async (thrown: unknown) => {
    if (!isFailure(thrown, 'conflict') || !thrown.message.includes('did not stop')) throw thrown
    return change(withoutKey(caller), 'stop', { force: true })
  }
}

/** Submits the deletion; one that runs is stopped first. */
export async function remove(kit: DialectKit, caller: Caller, { view, where }: Listed): Promise<OperationRecord> {
  const { instances } = kit.services
  const isUp = view.status.status === 'Running' || view.status.status === 'Frozen'
  if (isUp && !isForeign(where))
    await settle(kit, await instances.changeState(withoutKey(caller), where, { action: 'stop', force: true }))
  return stateAs(instances.remove(caller, where))
}

/** For work beside that which the request's key stands for. */
function withoutKey(caller: Caller): Caller {
  return { ...caller, idempotency: undefined }
}
