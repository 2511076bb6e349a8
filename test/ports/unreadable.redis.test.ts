import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import type { Engine } from '../../src/core/engine.ts'
import { openJobQueue } from '../../src/redis/job-queue.ts'
import { openJobSource } from '../../src/redis/job-source.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { findLostJobs } from '../../src/sweep/lost-jobs.ts'
import { handlers } from '../../workers/handlers/all.ts'
import { createPerform } from '../../workers/perform.ts'
import { toOperation } from '../../src/operations/render.ts'
import { absent } from '../support/absent.ts'
import { until } from '../support/processes.ts'
import { startDeployments, storesOf, type TestDeployments } from './redis-deployment.ts'
import { acceptance, alias, eventsOf, instance, putAlias, putInstance, type Stores, submit } from './samples.ts'

// What somebody else has written into Redis: a newer Windlass, a faulty disk, a curious hand.

let deployments: TestDeployments
let database: Database
let stores: Stores

beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments[Symbol.asyncDispose]())
beforeEach(() => {
  database = deployments.database()
  stores = storesOf(database)
})

const claim = { noun: 'instance', scope: 'default', name: 'c1' } as const
const kind = 'instance.start'
const input = { instance: 'u1' }
const clock = { now: () => Date.now(), uuid: () => 'u', operationId: () => 'o' }

/** One worker's turn, whose step for every operation is nothing. */
function performTurn(ticket: unknown, attempt = 1): Promise<void> {
  const perform = createPerform({
    store: stores.operations,
    records: stores.records,
    engines: new Map([['local', absent<Engine>('engine', { member: 'local' })]]),
    handlers: { ...handlers, [kind]: { steps: [], finish: async () => ({ changes: [] }) } },
    clock,
    deployment: 'd',
    sweep: async () => [],
    worker: 'w',
    engineBack: async () => true,
    point: () => undefined,
    onError: () => undefined,
    onTransition: () => undefined,
  })
  return perform(ticket, { attempt, token: `t${attempt}`, signal: new AbortController().signal })
}

const spoil = (id: string, field: string, text: string) =>
  database.connection.redis.hset(database.keys.key('op', id), field, text)

async function changed(id: string, change: (accepted: Record<string, unknown>) => unknown): Promise<string> {
  const text = await database.connection.redis.hget(database.keys.key('op', id), 'rec')
  return JSON.stringify(change(JSON.parse(text ?? '{}')))
}

async function read(id: string): Promise<OperationRecord> {
  const operation = await stores.operations.get(id)
  if (operation === undefined) throw new Error('The operation is gone')
  return operation
}

interface Spoiled {
  what: string
  spoil(id: string): Promise<unknown>
  err: RegExp
}

const SPOILED: Spoiled[] = [
  { what: 'no JSON', spoil: (id) => spoil(id, 'rec', '{"v":1,'), err: /record cannot be read: it is no/ },
  { what: 'no object', spoil: (id) => spoil(id, 'rec', 'null'), err: /record cannot be read: it is no/ },
  {
    what: 'a newer version',
    spoil: async (id) => spoil(id, 'rec', await changed(id, (rec) => ({ ...rec, v: 2, kind: 'instance.dance' }))),
    err: /version 2.*up to 1/,
  },
  {
    what: 'a version that never was',
    spoil: async (id) => spoil(id, 'rec', await changed(id, (rec) => ({ ...rec, v: 0 }))),
    err: /version 0/,
  },
  {
    what: 'a wrong type',
    spoil: async (id) => spoil(id, 'rec', await changed(id, (rec) => ({ ...rec, requestor: 'root' }))),
    err: /requestor/,
  },
  {
    what: 'an unknown kind',
    spoil: async (id) => spoil(id, 'rec', await changed(id, (rec) => ({ ...rec, kind: 'instance.dance' }))),
    err: /Unknown operation kind "instance.dance"/,
  },
  {
    what: 'an input of another kind',
    spoil: async (id) => spoil(id, 'rec', await changed(id, (rec) => ({ ...rec, input: { network: 1 } }))),
    err: /Invalid input of instance.start/,
  },
  {
    what: 'notes that are none',
    spoil: (id) => spoil(id, 'notes', '{"name":'),
    err: /record cannot be read: it is no/,
  },
  { what: 'a note without a name', spoil: (id) => spoil(id, 'notes', '{"at":1}'), err: /notes/ },
  { what: 'no number', spoil: (id) => spoil(id, 'ended', 'soon'), err: /ended/ },
  { what: 'claims that are none', spoil: (id) => spoil(id, 'claims', '['), err: /^$/ },
]

test.each(SPOILED)('an operation with $what ends with a reason, and the others go on', async (one) => {
  const id = await submit(stores, acceptance({ names: [claim] }, { kind, input }))
  const other = await submit(stores, acceptance({}, { kind, input }))
  await one.spoil(id)
  const everything = {
    project: undefined,
    since: 0,
    until: Infinity,
    limit: 10,
    cursor: undefined,
    matches: () => true,
  }
  const lists = [
    await stores.operations.getMany([id, other]),
    await stores.operations.recent(undefined, 0),
    (await stores.operations.history(everything)).operations,
  ]
  for (const list of lists) expect(list.map((operation) => toOperation(operation).id).toSorted()).toEqual([id, other])
  for (const ticket of [id, other]) await performTurn({ id: ticket, kind, epoch: 1 })
  const ended = await read(id)
  expect(ended.err).toMatch(one.err)
  expect(ended).toMatchObject({ state: ended.err === '' ? 'success' : 'failure', id })
  expect(toOperation(ended)).toMatchObject({ id, err: ended.err })
  expect(await read(other)).toMatchObject({ state: 'success', err: '' })
  expect(await stores.operations.unfinished(Infinity, 10)).toEqual([])
  const ends = (await eventsOf(stores)).filter((event) => event.type === 'operation' && event.state === ended.state)
  expect(ends.length).toBeGreaterThan(0)
})

test('what is being undone or looked through is not stopped by another operation that cannot be read', async () => {
  const id = await submit(stores, acceptance({}, { kind, input }))
  await spoil(id, 'rec', '{')
  const queue = { has: async () => false, add: async () => undefined }
  const lost = await findLostJobs({ store: stores.operations, queue, clock }, [id])
  for (const mend of lost) expect(await mend.mend()).toBe(true)
  expect(await read(id)).toMatchObject({ state: 'failure', err: expect.stringMatching(/cannot be read/) })
  expect(await stores.operations.unfinished(Infinity, 10)).toEqual([])
})

test('a job without sense is put right, and stops no worker', async () => {
  const [api, connection] = [deployments.connect('api'), deployments.connect('worker')]
  await Promise.all([api.ready(5_000), connection.ready(5_000)])
  const { keys } = database
  const queue = openJobQueue({ connection: api, keys, onError: () => undefined })
  const ids = await Promise.all(
    ['{"id":', 'null', '[]', '{"id":7}', JSON.stringify({ id: 'another', kind, epoch: 1 })].map(async (data) => {
      const id = await submit(stores, acceptance({}, { kind, input }))
      await queue.add('local', { id, kind, epoch: 1 })
      await connection.redis.hset(`${keys.bull}:ops-local:op-${id}`, 'data', data)
      return id
    }),
  )
  const last = await submit(stores, acceptance({}, { kind, input }))
  await queue.add('local', { id: last, kind, epoch: 1 })
  const source = await openJobSource({
    connection,
    keys,
    members: ['local'],
    concurrency: 2,
    workerName: 'w',
    perform: (ticket, turn) => performTurn(ticket, turn.attempt),
    onError: () => undefined,
  })
  const done = async () => {
    for (const mend of await findLostJobs({ store: stores.operations, queue, clock }, [...ids])) await mend.mend()
    const states = (await stores.operations.getMany([...ids, last])).map(({ state }) => state)
    return states.every((state) => state === 'success') ? states : undefined
  }
  const states = await until(40_000, done, () => new Error('Some operation never ends'))
  expect(states).toHaveLength(6)
  await source.close(0)
  await queue.close()
})

test('a record that cannot be read is missing from its list, told, and holds its name', async () => {
  const [good, broken, newer] = [instance({ name: 'a' }), instance({ name: 'b' }), instance({ name: 'c' })]
  for (const record of [good, broken, newer])
    await stores.records.write({ changes: [putInstance(record), putAlias(alias({ name: record.name }))], at: 1 })
  const key = (uuid: string) => database.keys.key('rec', 'instance', uuid)
  await database.connection.redis.hset(key(broken.uuid), 'body', JSON.stringify({ ...broken, config: 'none' }))
  await database.connection.redis.hset(key(newer.uuid), 'body', JSON.stringify({ ...newer, v: 2 }))
  expect((await stores.records.list('instance')).map(({ name }) => name)).toEqual(['a'])
  expect((await stores.records.list('alias')).map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  await expect(stores.records.get('instance', newer.uuid)).rejects.toThrow(/version 2/)
  await expect(stores.records.find('instance', 'default', 'b')).rejects.toThrow(/config/)
  const told = await stores.records.unreadable()
  const uuids = [broken.uuid, newer.uuid].toSorted()
  expect(told.map(({ uuid }) => uuid).toSorted()).toEqual(uuids)
  expect(told.map(({ noun }) => noun)).toEqual(['instance', 'instance'])
  const again = { changes: [putInstance(instance({ name: 'b' }))], at: 1 }
  expect(await stores.records.write(again)).toMatchObject({ outcome: 'name-taken' })
})
