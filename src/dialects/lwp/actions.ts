/** start, stop, freeze and unfreeze, as this API's users expect them to end. */
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

/** Done when it resolves. */
export async function act(kit: DialectKit, caller: Caller, { view, where }: Listed, action: ActionName): Promise<void> {
  const { status } = view.status
  const change = async (name: ActionName, body: { timeout?: number; force?: boolean } = {}, kill = false) => {
    const submitted = stateAs(kit.services.instances.changeState(caller, where, { action: name, ...body }, { kill }))
    return settle(kit, await submitted)
  }
  if (action === 'start' && status === 'Frozen' && !isForeign(where)) await change('unfreeze')
  else if (action !== 'stop') await change(action)
  else if (status === 'Frozen') await change('stop', { force: true })
  else await change('stop', { timeout: STOP_WITHIN }, true)
}
