import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import type { Engine } from '../../src/core/engine.ts'
import { badRequest, unavailable } from '../../src/core/failure.ts'
import type { Turn } from '../../src/core/ports.ts'
import { handlers } from '../../workers/handlers/all.ts'
import { createPerform } from '../../workers/perform.ts'
import type { Handler, Step } from '../../workers/steps.ts'
import { absent } from '../support/absent.ts'
import { startDeployments, type TestDeployments } from './redis-deployment.ts'
import { acceptance, instance, putInstance, requestor, type Stores, submit } from './samples.ts'

// One job after the other over the real store, with steps that only say that they were run.

type Kind = 'instance.start'

let deployments: TestDeployments
let stores: Stores
let said: string[]
let isEngineAway: boolean
let id: string

beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments[Symbol.asyncDispose]())
beforeEach(async () => {
  stores = await deployments.stores()
  said = []
  isEngineAway = true
  id = await submit(stores, acceptance({}, { kind: 'instance.start', input: { instance: 'u1' } }))
})

function step(name: string, more: Partial<Step<Kind>> = {}): Step<Kind> {
  return {
    name,
    run: async () => void said.push(name),
    undo: async () => {
      said.push(`undo ${name}`)
      return `Undid ${name}`
    },
    ...more,
  }
}

const refuse = () => Promise.reject(badRequest('No'))
const never = new Promise<never>(() => undefined)

/** Performs the operation's next turn. */
function performing(steps: Step<Kind>[], finish: Handler<Kind>['finish'] = async () => ({ changes: [] })) {
  const engine = absent<Engine>('engine', { member: 'local' })
  const perform = createPerform({
    store: stores.operations,
    records: stores.records,
    engines: new Map([['local', engine]]),
    handlers: { ...handlers, 'instance.start': { steps, finish } },
    clock: { now: () => Date.now(), uuid: () => 'u', operationId: () => 'o' },
    deployment: 'd',
    sweep: async () => [],
    worker: 'w',
    engineBack: async () => {
      said.push('engine back')
      return isEngineAway
    },
    point: () => undefined,
    onError: () => undefined,
    onTransition: () => undefined,
  })
  return (attempt = 1, signal = new AbortController().signal) => {
    const turn: Turn = { attempt, token: `t${attempt}`, signal }
    return perform({ id, kind: 'instance.start', epoch: 1 }, turn)
  }
}

async function read(): Promise<OperationRecord> {
  const operation = await stores.operations.get(id)
  if (operation === undefined) throw new Error('The operation is gone')
  return operation
}

/** Resolves once this was said. */
async function until(word: string): Promise<void> {
  await expect.poll(() => said, { timeout: 5_000, interval: 5 }).toContain(word)
}

test('steps in order, and an end', async () => {
  await performing([step('a'), step('b')])()
  expect(said).toEqual(['a', 'b'])
  expect(await read()).toMatchObject({ state: 'success', undone: [], attempts: 1 })
})

test('a failing step is undone with those before it, in reverse order', async () => {
  await performing([step('a'), step('b'), step('c', { run: refuse }), step('d')])()
  expect(said).toEqual(['a', 'b', 'undo c', 'undo b', 'undo a'])
  expect(await read()).toMatchObject({ state: 'failure', err: 'No', undone: ['Undid c', 'Undid b', 'Undid a'] })
})

test('what was being undone when its worker died is undone to the end, and not done again', async () => {
  const stuck = { undo: () => (said.push('undo a hangs'), never) }
  void performing([step('a', stuck), step('b'), step('c', { run: refuse })])()
  await until('undo a hangs')
  await performing([step('a'), step('b'), step('c')])(2)
  expect(said).toEqual(['a', 'b', 'undo c', 'undo b', 'undo a hangs', 'undo a'])
  const undone = ['Undid c', 'Undid b', 'Undid a']
  expect(await read()).toMatchObject({ state: 'failure', err: 'No', code: 'bad-request', undone, attempts: 2 })
})

test('a cancel undoes also what an earlier turn has done and what it was cut off in', async () => {
  void performing([step('a'), step('b', { run: () => (said.push('b hangs'), never) }), step('c')])()
  await until('b hangs')
  await stores.operations.cancel(id, { by: requestor, at: 1 })
  await performing([step('a'), step('b'), step('c')])(2)
  expect(said).toEqual(['a', 'b hangs', 'undo b', 'undo a'])
  expect(await read()).toMatchObject({ state: 'cancelled', undone: ['Undid b', 'Undid a'] })
})

test('a turn that lost its operation undoes nothing further, even when its own signal only told of a cancel', async () => {
  const control = new AbortController()
  const hold = Promise.withResolvers<undefined>()
  const first = performing([
    step('a'),
    step('b', { undo: () => (said.push('undo b waits'), hold.promise) }),
    step('c', { run: refuse }),
  ])
  const turn = first(1, control.signal)
  await until('undo b waits')
  control.abort('cancelled')
  const begun = await stores.operations.begin({ id, epoch: 1, attempt: 2, token: 'other' }, 'w2', Date.now())
  expect(begun.outcome).toBe('begun')
  hold.resolve(undefined)
  await turn
  expect(said).toEqual(['a', 'b', 'undo c', 'undo b waits'])
  expect(await read()).toMatchObject({ state: 'running', worker: 'w2' })
})

test('a turn whose lock is lost in a step writes nothing of it', async () => {
  const control = new AbortController()
  const run = async () => {
    control.abort('lost')
    return 'made'
  }
  await performing([step('a', { run }), step('b')])(1, control.signal)
  expect(said).toEqual([])
  expect(await read()).toMatchObject({ state: 'running', notes: [], undone: [] })
})

test('what does not answer although the engine does ends the operation with its cause, after some tries', async () => {
  isEngineAway = false
  let runs = 0
  const run = () => {
    runs += 1
    return Promise.reject(unavailable('No registry'))
  }
  await performing([step('a'), step('b', { run })])()
  expect(await read()).toMatchObject({ state: 'failure', code: 'unavailable', err: 'No registry', attempts: 1 })
  expect([runs, said.filter((word) => word === 'engine back').length]).toEqual([11, 10])
  expect(said.slice(-2)).toEqual(['undo b', 'undo a'])
})

test('an engine that is away is waited for, in a step and in an undo', async () => {
  let away = 2
  const whenThere = (word: string) => async () => {
    if (away-- > 0) throw unavailable('No engine')
    said.push(word)
    away = 1
    return word
  }
  const again: boolean[] = []
  const a = step('a', { undo: whenThere('undo a') })
  const b = step('b', { run: (context) => (again.push(context.again), whenThere('b')()) })
  await performing([a, b, step('c', { run: refuse })])()
  expect(said).toEqual(['a', 'engine back', 'engine back', 'b', 'undo c', 'undo b', 'engine back', 'undo a'])
  expect(again).toEqual([false, true, true])
  expect(await read()).toMatchObject({ state: 'failure', undone: ['Undid c', 'Undid b', 'undo a'] })
})

test('after the point of no return it ends as a success, whatever fails then', async () => {
  const record = instance()
  const forward = step('a', { run: (context) => context.forward([putInstance(record)]) })
  const finish = () => Promise.reject(new Error('broken'))
  await performing([forward, step('b', { run: refuse })], finish)()
  expect(said).toEqual([])
  expect(await read()).toMatchObject({ state: 'success', forward: true, warnings: ['No'], undone: [] })
  expect(await stores.records.get('instance', record.uuid)).toMatchObject({ rev: 1 })
})

test('what crashes again and again is given up and undone', async () => {
  for (let attempt = 1; attempt <= 10; attempt++) {
    void performing([step('a'), step('b', { run: () => never })])(attempt)
    await expect.poll(async () => (await read()).attempts, { interval: 5 }).toBe(attempt)
    await expect.poll(async () => (await read()).notes.length, { interval: 5 }).toBe(1)
  }
  await performing([step('a'), step('b')])(11)
  expect(said).toEqual(['a', 'undo b', 'undo a'])
  expect(await read()).toMatchObject({ state: 'failure', err: 'Gave up after 10 attempts' })
})
