/** Operations that an API process carried which is gone: what they ran is ended, and so are they. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { Engine } from '../core/engine.ts'
import { userOf } from '../core/exec-spec.ts'
import { NOTHING_MORE } from '../core/operation-states.ts'
import type { Clock, Ending, OperationStore, Peers, RecordReader } from '../core/ports.ts'
import { decodeJob } from '../operations/job.ts'
import { PROCESS_ENDED, withoutSecrets } from '../operations/streams.ts'
import type { Mend } from './mend.ts'

export interface LostStreamsDeps {
  store: Pick<OperationStore, 'getMany' | 'raiseEpoch' | 'end'>
  peers: Peers
  records: Pick<RecordReader, 'get'>
  engines: ReadonlyMap<string, Engine>
  clock: Clock
}

/** An operation that nobody has begun for so long was accepted by a process that died on it; milliseconds. */
const BEGUN_WITHIN = 6_000

/** Those of these operations whose process is gone. Nobody is taken for dead while this process itself is unheard. */
export async function findLostStreams(deps: LostStreamsDeps, ids: string[]): Promise<Mend[]> {
  if (!deps.peers.isSteady()) return []
  const operations = await deps.store.getMany(ids)
  const found = await Promise.all(
    operations.map(async (operation) => ((await isLost(deps, operation)) ? [toMend(deps, operation)] : [])),
  )
  return found.flat()
}

async function isLost({ peers, clock }: LostStreamsDeps, operation: OperationRecord): Promise<boolean> {
  if (operation.place !== 'api' || operation.worker === peers.self) return false
  if (operation.worker === '') return clock.now() - operation.updated > BEGUN_WITHIN
  return (await peers.find(operation.worker)) === undefined
}

/** The epoch is raised first: a process that lives after all can write nothing any more, and lets go. */
function toMend(deps: LostStreamsDeps, operation: OperationRecord): Mend {
  const { store, clock } = deps
  return {
    action: 'end',
    object: `operation ${operation.id}`,
    reason: 'The API process that ran it does not live',
    mend: async () => {
      const hold = await store.raiseEpoch(operation.id, clock.now())
      if (hold === undefined) return false
      await endProcesses(deps, operation)
      return (await store.end(hold, { ...toEnding(operation), at: clock.now() })) === 'ended'
    },
  }
}

/** By their mark. What cannot be reached now (the engine is away, the instance frozen) is tried again later. */
async function endProcesses({ records, engines }: LostStreamsDeps, operation: OperationRecord): Promise<void> {
  const job = decodeJob(operation)
  if (job.kind !== 'instance.session') return
  const instance = await records.get('instance', job.input.instance)
  if (instance === undefined) return
  await engines.get(instance.member)?.execs.killMarked(instance.container, operation.id, userOf(job.input), 'SIGKILL')
}

function toEnding(operation: OperationRecord): Omit<Ending, 'at'> {
  return {
    ...NOTHING_MORE,
    state: 'failure',
    err: PROCESS_ENDED,
    code: 'unavailable',
    metadata: withoutSecrets(operation),
  }
}
