/** Frees the names under which dialects know containers made by others, when those are gone: nobody tells us of their end. */
import { isForeign } from '../core/foreign.ts'
import type { NicknameRecord } from '../contract/records.ts'
import type { Engine } from '../core/engine.ts'
import type { Clock, RecordReader, RecordStore } from '../core/ports.ts'
import type { Inventory } from './inventory.ts'

export interface ForgottenNamesDeps {
  records: RecordReader & Pick<RecordStore, 'write'>
  engines: ReadonlyMap<string, Pick<Engine, 'containers'>>
  inventory: Pick<Inventory, 'container' | 'members'>
  clock: Clock
}

const EVERY = 60_000
/** Names freed at once. */
const AT_ONCE = 100

/** One look at most every minute, however often it is called. Every engine must say that it has no such container. */
export function createForgottenNames({ records, engines, inventory, clock }: ForgottenNamesDeps): () => Promise<void> {
  let last = clock.now()

  async function look(): Promise<void> {
    if (clock.now() - last < EVERY) return
    last = clock.now()
    const unseen = (await records.list('nickname')).filter((name) => isForeign(name) && !isSeen(name))
    for (const name of unseen.slice(0, AT_ONCE)) if (await isGone(name)) await free(name)
  }

  function isSeen({ instance }: NicknameRecord): boolean {
    return inventory.members.some((member) => inventory.container(member, instance) !== undefined)
  }

  /** An engine that does not answer throws, and nothing is freed. */
  async function isGone({ instance }: NicknameRecord): Promise<boolean> {
    const found = await Promise.all([...engines.values()].map(({ containers }) => containers.inspect(instance)))
    return found.every((container) => container === undefined)
  }

  async function free({ uuid, rev }: NicknameRecord): Promise<void> {
    await records.write({ changes: [{ change: 'remove', noun: 'nickname', uuid, rev }], at: clock.now() })
  }

  return look
}
