/** What a new deployment begins with: the project and the profile `default`, and the network `lxdbr0`. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ProfileRecord } from '../contract/records.ts'
import { POOL } from '../core/devices.ts'
import { isFinal } from '../core/operation-states.ts'
import type { Clock, OperationStore, RecordChange, RecordStore } from '../core/ports.ts'
import type { Sweep } from '../sweep/sweep.ts'
import { SERVER } from './caller.ts'
import type { Networks } from './networks.ts'
import { networkUrl } from './noun-urls.ts'
import { toRefusal, type Operations } from './operations.ts'
import { projectConfig } from './project-config.ts'
import { makeDefaultProfile, makeProject } from './new-project.ts'
import type { Warnings } from './warnings.ts'

export interface FirstStartDeps {
  records: RecordStore
  store: Pick<OperationStore, 'get'>
  operations: Operations
  warnings: Warnings
  networks: Pick<Networks, 'creationOf'>
  sweep: Sweep
  clock: Clock
}

const DEFAULT = 'default'
const NETWORK = 'lxdbr0'
const KEY = `first-start:${NETWORK}`
/** Milliseconds a start waits for the network, so that the first instance finds it; workers may come up later. */
const PATIENCE = 5_000

/**
 * Makes what is missing; once per deployment, by any number of processes at once. The project is written last: it says
 * that all of this has happened, so that what a user deletes later stays deleted. A network that could not be made is
 * a warning, and is tried again by the next start.
 */
export function createFirstStart(deps: FirstStartDeps): () => Promise<void> {
  return async () => {
    const isNew = (await deps.records.find('project', '', DEFAULT)) === undefined
    // A Redis that has forgotten the bridge must not get another one: the engine is asked first, if it answers.
    if (isNew) await deps.sweep({ dryRun: false, extent: 'networks', patience: PATIENCE }).catch(() => undefined)
    const operation = await makeBridge(deps, isNew)
    if (isNew) {
      await makeIfMissing(deps, { change: 'put', noun: 'profile', record: defaultProfile(deps.clock.uuid()) })
      await makeIfMissing(deps, { change: 'put', noun: 'project', record: defaultProject(deps.clock.uuid()) })
    }
    if (operation === undefined) return
    // Without Redis nothing can be noted; the next start finds the operation again.
    const followed = follow(deps, operation).catch(() => undefined)
    await deps.operations.wait(SERVER, operation.id, PATIENCE / 1000)
    // Ended already: then the warning is written, or gone, before anyone is served.
    if (isFinal((await deps.operations.get(SERVER, operation.id)).state)) await followed
  }
}

/** The operation that makes lxdbr0, whoever submitted it; undefined when there is nothing to do. */
async function makeBridge(deps: FirstStartDeps, isNew: boolean): Promise<OperationRecord | undefined> {
  if ((await deps.records.find('network', DEFAULT, NETWORK)) !== undefined) return undefined
  let once = KEY
  for (let again = isNew; ; again = true) {
    const earlier = await submitted(deps, once)
    if (earlier === undefined) return again ? submit(deps, once) : undefined
    if (earlier.state === 'success' || !isFinal(earlier.state)) return earlier
    // Each attempt follows from the one before it, so that processes that start together make the same one.
    once = `${KEY}:${earlier.id}`
  }
}

async function submitted({ records, store }: FirstStartDeps, once: string): Promise<OperationRecord | undefined> {
  const kept = await records.idempotent(`once:${once}`)
  return kept === undefined ? undefined : store.get(kept.operation)
}

async function submit(deps: FirstStartDeps, once: string): Promise<OperationRecord | undefined> {
  const creation = await deps.networks.creationOf({ name: NETWORK, description: '', config: {} }, { elsewhere: true })
  const accepted = await deps.operations.trySubmit(SERVER, { ...creation, once })
  if (accepted.outcome === 'accepted') return accepted.operation
  // Someone is making, or has just made, a network of that name.
  if (accepted.outcome === 'name-taken') return undefined
  throw toRefusal(accepted, undefined)
}

async function follow({ operations, warnings }: FirstStartDeps, { id }: OperationRecord): Promise<void> {
  const ended = await operations.wait(SERVER, id, -1)
  if (ended.state === 'success') await warnings.resolve(KEY)
  if (ended.state !== 'failure' && ended.state !== 'cancelled') return
  await warnings.raise({
    key: KEY,
    type: 'Network unavailable',
    severity: 'high',
    message:
      `The network ${NETWORK} could not be made: ${ended.err || 'the operation was cancelled'}. Instances with the ` +
      `profile default cannot be made without it: create a network named ${NETWORK}, or start the server again`,
    project: DEFAULT,
    entityUrl: networkUrl(NETWORK),
  })
}

/** Someone else who was first is no trouble. */
async function makeIfMissing({ records, clock }: FirstStartDeps, change: RecordChange): Promise<void> {
  const written = await records.write({ changes: [change], at: clock.now() })
  if (written.outcome !== 'written' && written.outcome !== 'name-taken') throw toRefusal(written, undefined)
}

function defaultProfile(uuid: string): ProfileRecord {
  return {
    ...makeDefaultProfile(uuid, DEFAULT),
    devices: {
      eth0: { name: 'eth0', network: NETWORK, type: 'nic' },
      root: { path: '/', pool: POOL, type: 'disk' },
    },
  }
}

function defaultProject(uuid: string) {
  const description = 'Default Windlass project'
  return makeProject({ uuid, name: DEFAULT, description, config: projectConfig(DEFAULT, {}) })
}
