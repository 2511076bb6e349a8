import { randomUUID } from 'node:crypto'
import type { Accepted, Lifecycle } from '../../src/contract/operation-record.ts'
import type { AliasRecord, InstanceRecord, LeaseRecord, SnapshotRecord } from '../../src/contract/records.ts'
import type {
  Acceptance,
  Ending,
  EventBus,
  Hold,
  LogEvent,
  OperationStore,
  RecordChange,
  RecordStore,
} from '../../src/core/ports.ts'

/** What the suites of the stores work with: one deployment of its own. */
export interface Stores {
  operations: OperationStore
  records: RecordStore
  log: Pick<EventBus, 'since'>
}

export const requestor = { username: 'alice', protocol: 'token', address: '127.0.0.1' } as const

let count = 0

/** Ids that grow, as those of real operations do. */
export function operationId(): string {
  count += 1
  return `01940000-0000-7000-8000-${String(count).padStart(12, '0')}`
}

export function accepted(over: Partial<Accepted> = {}): Accepted {
  const id = over.id ?? operationId()
  return {
    v: 1,
    id,
    kind: 'instance.create',
    class: 'task',
    description: 'Creating instance',
    project: 'default',
    member: 'local',
    place: 'worker',
    input: { name: 'c1', list: [], map: {} },
    resources: { instances: ['/1.0/instances/c1'] },
    entity: { type: 'instance', id: 'u1', name: 'c1', url: '/1.0/instances/c1' },
    requestor,
    role: 'operator',
    cancellable: true,
    created: 1_763_731_200_000 + count,
    ...over,
  }
}

export function acceptance(over: Partial<Acceptance> = {}, operation: Partial<Accepted> = {}): Acceptance {
  return { operation: accepted(operation), names: [], busy: [], changes: [], ...over }
}

export function ending(over: Partial<Ending> = {}): Ending {
  return {
    state: 'success',
    err: '',
    code: '',
    metadata: null,
    warnings: [],
    undone: [],
    notes: [],
    changes: [],
    lifecycle: [],
    observed: [],
    at: 1_763_731_300_000,
    ...over,
  }
}

export function hold(id: string, over: Partial<Hold> = {}): Hold {
  return { id, epoch: 1, attempt: 1, token: 't1', ...over }
}

export function lifecycle(action: string): Lifecycle {
  return { action, source: '/1.0/instances/c1', context: {}, requestor, project: 'default' }
}

export function instance(over: Partial<InstanceRecord> = {}): InstanceRecord {
  return {
    v: 1,
    rev: 0,
    uuid: randomUUID(),
    project: 'default',
    name: 'c1',
    member: 'local',
    container: 'abc',
    image: '',
    engineImage: 'sha256:1',
    boot: 'init',
    architecture: 'x86_64',
    description: '',
    config: {},
    devices: {},
    profiles: [],
    ephemeral: false,
    created_at: '2026-11-21T09:16:00.000Z',
    last_used_at: '0001-01-01T00:00:00Z',
    power: 'stopped',
    volumes: [],
    ...over,
  }
}

export function snapshot(over: Partial<SnapshotRecord> & { instance: string }): SnapshotRecord {
  return {
    v: 1,
    rev: 0,
    uuid: randomUUID(),
    project: 'default',
    name: 'snap0',
    member: 'local',
    engineImage: 'sha256:2',
    boot: 'init',
    image: '',
    architecture: 'x86_64',
    description: '',
    config: {},
    devices: {},
    profiles: [],
    ephemeral: false,
    created_at: '2026-11-21T09:16:00.000Z',
    expires_at: '0001-01-01T00:00:00Z',
    size: -1,
    volumes: [],
    ...over,
  }
}

export function alias(over: Partial<AliasRecord> = {}): AliasRecord {
  return { v: 1, rev: 0, uuid: randomUUID(), project: 'default', name: 'a1', target: 'f', description: '', ...over }
}

export function lease(over: Partial<LeaseRecord> = {}): LeaseRecord {
  return {
    v: 1,
    rev: 0,
    uuid: randomUUID(),
    project: 'default',
    name: '10.0.0.2',
    network: 'net1',
    instance: 'u1',
    device: 'eth0',
    ...over,
  }
}

export function putInstance(record: InstanceRecord): RecordChange {
  return { change: 'put', noun: 'instance', record }
}

export function putAlias(record: AliasRecord): RecordChange {
  return { change: 'put', noun: 'alias', record }
}

/** Accepts and expects no refusal. */
export async function submit({ operations }: Stores, asked: Acceptance = acceptance()): Promise<string> {
  const answer = await operations.accept(asked)
  if (answer.outcome !== 'accepted') throw new Error(`Not accepted: ${JSON.stringify(answer)}`)
  return answer.operation.id
}

/** Accepts and begins; the hold of the worker that runs it. */
export async function running(stores: Stores, asked: Acceptance = acceptance()): Promise<Hold> {
  const own = hold(await submit(stores, asked))
  const begun = await stores.operations.begin(own, 'w1', asked.operation.created + 1)
  if (begun.outcome !== 'begun') throw new Error(`Not begun: ${begun.outcome}`)
  return own
}

/** All events so far. */
export async function eventsOf({ log }: Stores): Promise<LogEvent[]> {
  const { events, complete } = await log.since('0-0', 10_000)
  if (!complete) throw new Error('The log was trimmed')
  return events
}
