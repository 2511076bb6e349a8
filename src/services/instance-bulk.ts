/** One change of state for all instances of a project: an operation that waits for one operation for each of them. */
import type { InstanceStatePut } from '../contract/instance.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import { badRequest, toFailure } from '../core/failure.ts'
import { isForeign } from '../core/foreign.ts'
import { parseStateAction, refusalOf, type StateAction } from '../core/instance-status.ts'
import { whenAborted } from '../core/when-aborted.ts'
import { CATALOG } from '../operations/catalog.ts'
import { requireProject, requireRole, type Caller } from './caller.ts'
import { instanceUrl } from './instance-urls.ts'
import type { InstanceView } from './instance-views.ts'
import type { Instances } from './instances.ts'
import { projectUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'
import type { StreamEnd, Streams, StreamTurn } from './streams.ts'

export interface InstanceBulkDeps {
  instances: Pick<Instances, 'list' | 'changeState'>
  operations: Pick<Operations, 'finish'>
  streams: Pick<Streams, 'open'>
  /** Whose engine the project's instances are on. */
  member: string
}

export type InstanceBulk = ReturnType<typeof createInstanceBulk>

/** A stop may last as long as the instance likes, milliseconds. */
const LONGEST = 24 * 3_600_000

export function createInstanceBulk({ instances, operations, streams, member }: InstanceBulkDeps) {
  /** Those that are in the state already are left alone, as in LXD. */
  async function changeStates(caller: Caller, project: string, body: InstanceStatePut): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    requireProject(caller, project)
    const action = parseStateAction(body.action ?? '')
    if (body.stateful === true) throw badRequest('Stateful stop is not possible on Docker Engine')
    const all = await instances.list(caller, project)
    const chosen = all.filter(({ record, status }) => !isForeign(record) && fits(action, status.status))
    const input = {
      action,
      instances: chosen.map(({ record }) => record.uuid),
      timeout: body.timeout ?? -1,
      force: body.force ?? false,
    }
    return streams.open(
      caller,
      {
        kind: 'instance.bulk',
        input,
        project,
        member,
        entity: { id: project, name: project, url: projectUrl(project) },
        resources: { instances: chosen.map(({ record }) => instanceUrl(record)) },
        description: CATALOG[`instance.${action}`].description,
      },
      { names: [], needed: [], carry: (turn) => carry(caller, chosen, body, turn) },
    )
  }

  async function carry(
    caller: Caller,
    chosen: InstanceView[],
    body: InstanceStatePut,
    { signal }: StreamTurn,
  ): Promise<StreamEnd> {
    // The request's key stands for the whole, not for each part.
    const { idempotency: _key, ...self } = caller
    const faults = await Promise.race([
      Promise.all(chosen.map((view) => change(self, view, body))),
      whenAborted(signal).then(() => []),
    ])
    signal.throwIfAborted()
    const told = faults.filter((fault) => fault !== undefined)
    if (told.length === 0) return { metadata: {} }
    const text = ['The following instances failed to update state:', ...told, ''].join('\n')
    return { metadata: {}, failure: badRequest(text) }
  }

  /** What went wrong with one of them; one that somebody has brought into the state meanwhile is as it should be. */
  async function change(caller: Caller, { record }: InstanceView, body: InstanceStatePut): Promise<string | undefined> {
    try {
      await operations.finish(await instances.changeState(caller, record, body), LONGEST)
      return undefined
    } catch (thrown) {
      return ` - Instance: ${record.name}: ${toFailure(thrown).message}`
    }
  }

  return { changeStates }
}

function fits(action: StateAction, status: InstanceView['status']['status']): boolean {
  return refusalOf(action, status) === undefined
}
