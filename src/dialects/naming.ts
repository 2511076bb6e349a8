/** New instances under a dialect's own name. */
import type { InstancesPost } from '../contract/instance.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import { type Failure, isFailure } from '../core/failure.ts'
import { requireProject, requireRole, type Caller } from '../services/caller.ts'
import type { Nickname } from '../services/nicknames.ts'
import type { DialectKit } from './dialect.ts'

const PROJECT = 'default'

/** Instance names that are given away between the look and the creation. */
const TRIES = 5

interface Naming {
  body: () => Promise<InstancesPost>
  taken: () => Failure
  /** What the instance's name is made of, where that is another nickname than the one it is found by. */
  called?: Nickname
}

/**
 * Creates an instance whose name follows from the nickname. `taken` is thrown where the dialect knows another one by
 * it, also one that is only being made; `body` is asked for after that.
 */
export async function createNamed(
  { services }: Pick<DialectKit, 'services'>,
  caller: Caller,
  nickname: Nickname,
  { body, taken, called }: Naming,
): Promise<OperationRecord> {
  const { directory, nicknames, instances } = services
  const { dialect, name: wanted } = nickname
  requireRole(caller, 'operator')
  requireProject(caller, PROJECT)
  const isTaken = async (): Promise<boolean> =>
    (await nicknames.find(dialect, wanted)) !== undefined ||
    (await directory.list(caller, dialect)).some((one) => one.nickname === wanted)
  if (await isTaken()) throw taken()
  const given = await body()
  for (let tries = 1; ; tries++) {
    const base = called?.name ?? wanted
    const name = await directory.instanceName(tries === 1 ? base : `${base.slice(0, 50)}-${tries}`)
    try {
      return await instances.create(caller, PROJECT, { ...given, name }, called ? [nickname, called] : nickname)
    } catch (thrown) {
      if (!isFailure(thrown, 'conflict') || !thrown.message.endsWith('already exists')) throw thrown
      if (tries >= TRIES || (await isTaken())) throw taken()
    }
  }
}
