/** Names and numbers by which dialects know instances; each is unique within its dialect and given once. */
import type { InstanceRecord } from '../contract/records.ts'
import { conflict } from '../core/failure.ts'
import type { Clock, NameClaim, RecordChange, RecordReader, RecordStore } from '../core/ports.ts'

export interface Nickname {
  dialect: string
  name: string
}

export type Nicknames = ReturnType<typeof createNicknames>

export function claimOf({ dialect, name }: Nickname): NameClaim {
  return { noun: 'nickname', scope: dialect, name }
}

export function putNickname(
  { dialect, name }: Nickname,
  instance: Pick<InstanceRecord, 'uuid' | 'project'>,
  uuid: string,
): RecordChange {
  const { project } = instance
  return {
    change: 'put',
    noun: 'nickname',
    record: { v: 1, rev: 0, uuid, project, name, dialect, instance: instance.uuid },
  }
}

/** Numbers are tried upwards; more than so many at once lose the race. */
const TRIES = 100

export function createNicknames({
  records,
  clock,
}: {
  records: RecordReader & Pick<RecordStore, 'write'>
  clock: Clock
}) {
  /** The uuid of the instance that has this name in the dialect. */
  async function find(dialect: string, name: string): Promise<string | undefined> {
    return (await records.find('nickname', dialect, name))?.instance
  }

  /** What the dialect calls this instance; undefined where it was given no name there. */
  async function of(dialect: string, instance: string): Promise<string | undefined> {
    return (await records.owned('nickname', instance)).find((one) => one.dialect === dialect)?.name
  }

  /** Instance uuid → name, of all that have one in the dialect. */
  async function all(dialect: string): Promise<Map<string, string>> {
    return new Map((await records.list('nickname', dialect)).map(({ instance, name }) => [instance, name]))
  }

  /** Gives an instance that has none the lowest number from `from` on that is free in the dialect. */
  async function mint(
    dialect: string,
    instance: Pick<InstanceRecord, 'uuid' | 'project'>,
    from: number,
  ): Promise<string> {
    for (let tries = 0; tries < TRIES; tries++) {
      const given = await all(dialect)
      const own = given.get(instance.uuid)
      if (own !== undefined) return own
      const taken = new Set(given.values())
      let number = from
      while (taken.has(String(number))) number++
      const changes = [putNickname({ dialect, name: String(number) }, instance, clock.uuid())]
      if ((await records.write({ changes, at: clock.now() })).outcome === 'written') return String(number)
    }
    throw conflict('No number could be given; try again', { retryAfter: 1 })
  }

  return { find, of, all, mint }
}
