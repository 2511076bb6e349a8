import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { until } from '../support/processes.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

// What others do to our containers on the engine itself is told once, however many API processes there are.

let windlass: TestWindlass
let lifecycle = ''

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
  await windlass.startApi()
  await publishStarterImage(windlass.socket, await staticBusybox())
  const headers = { accept: 'text/event-stream' }
  const path = '/1.0/events?type=lifecycle'
  const sent = request({ socketPath: windlass.socket, path, headers, agent: false }, (answer) => {
    answer.setEncoding('utf8').on('data', (chunk: string) => (lifecycle += chunk))
    answer.on('error', () => undefined)
  })
  sent.on('error', () => undefined)
  sent.end()
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function operate(method: string, path: string, body?: unknown): Promise<Operation> {
  const ended = await windlass.operate(method, path, body)
  expect(ended).toMatchObject({ status: 'Success', err: '' })
  return ended
}

const create = (name: string, more: object = {}) =>
  operate('POST', '/1.0/instances', { name, source: { type: 'image', alias: 'busybox' }, start: true, ...more })
const state = (name: string, action: string) => operate('PUT', `/1.0/instances/${name}/state`, { action, force: true })
const atEngine = async (method: string, path: string) => {
  const { status } = await askEngine(windlass.engine.socket, method, `/containers/${path}`)
  expect(status).toBe(204)
}

async function statusOf(name: string): Promise<unknown> {
  const { status, body } = await windlass.call('GET', `/1.0/instances/${name}`)
  return status === 404 ? 'gone' : fieldOf(fieldOf(body, 'metadata'), 'status')
}

/** Lifecycle events of one instance, so far. */
const told = (name: string): string[] =>
  [...lifecycle.matchAll(/"action":"([a-z-]+)","source":"\/1\.0\/instances\/([^"?]+)"/g)].flatMap(([, action, of]) =>
    of === name && action !== undefined ? [action] : [],
  )

async function becomes<T>(what: () => T | Promise<T>, wanted: T): Promise<void> {
  let last: unknown
  const look = async () => {
    last = await what()
    return JSON.stringify(last) === JSON.stringify(wanted) ? true : undefined
  }
  await until(50_000, look, () => new Error(`It is ${JSON.stringify(last)} instead of ${JSON.stringify(wanted)}`))
}

/** Everything that has happened by now has been told when this has: another instance is paused by others. */
async function allTold(): Promise<void> {
  await create('last')
  await atEngine('POST', 'last.lxd/pause')
  await becomes(() => told('last').at(-1), 'instance-paused')
  await atEngine('DELETE', 'last.lxd?force=1')
  await becomes(() => told('last').at(-1), 'instance-stopped')
  await operate('DELETE', '/1.0/instances/last')
}

test('one that is paused and let go on by others is shown so, and told of once', async () => {
  await create('paused')
  await atEngine('POST', 'paused.lxd/pause')
  await becomes(() => statusOf('paused'), 'Frozen')
  await becomes(() => told('paused').at(-1), 'instance-paused')
  await atEngine('POST', 'paused.lxd/unpause')
  await becomes(() => statusOf('paused'), 'Running')
  await becomes(() => told('paused').at(-1), 'instance-resumed')
  // What is done here is told by its operation, and by nobody else; nor what it was before it stopped.
  await state('paused', 'freeze')
  await state('paused', 'unfreeze')
  await state('paused', 'freeze')
  await state('paused', 'stop')
  await operate('PUT', '/1.0/instances/paused/state', { action: 'start' })
  await allTold()
  expect(told('paused')).toEqual([
    'instance-created',
    'instance-started',
    'instance-paused',
    'instance-resumed',
    'instance-paused',
    'instance-resumed',
    'instance-paused',
    'instance-stopped',
    'instance-started',
  ])
}, 180_000)

test('one whose container others remove is there without it, and can be deleted; an ephemeral one is deleted', async () => {
  await create('removed')
  await create('stopped', { start: false })
  await create('ephemeral', { ephemeral: true })
  for (const name of ['removed', 'stopped', 'ephemeral']) await atEngine('DELETE', `${name}.lxd?force=1`)
  await becomes(() => told('removed').at(-1), 'instance-stopped')
  await becomes(() => statusOf('ephemeral'), 'gone')
  await allTold()
  expect([await statusOf('removed'), await statusOf('stopped')]).toEqual(['Error', 'Error'])
  const made = ['instance-created', 'instance-started']
  expect([told('removed'), told('stopped'), told('ephemeral')]).toEqual([
    [...made, 'instance-stopped'],
    ['instance-created'],
    [...made, 'instance-deleted'],
  ])
  for (const name of ['removed', 'stopped']) await operate('DELETE', `/1.0/instances/${name}`)
  for (const name of ['removed', 'stopped']) await becomes(() => told(name).at(-1), 'instance-deleted')
}, 180_000)

test('one whose container others rename follows a name of ours, and keeps its own else', async () => {
  await create('old')
  await create('other')
  await atEngine('POST', 'old.lxd/rename?name=new.lxd')
  await becomes(() => statusOf('new'), 'Running')
  await becomes(() => told('new'), ['instance-renamed'])
  expect(lifecycle).toContain('"source":"/1.0/instances/new","context":{"old_name":"old"}')
  const named = async (name: string) =>
    (await askEngine(windlass.engine.socket, 'GET', `/containers/${name}/json`)).status === 200
  for (const name of ['something-else', 'Not_ours.lxd']) {
    await atEngine('POST', `new.lxd/rename?name=${name}`)
    await becomes(() => named('new.lxd'), true)
    expect(await named(name)).toBe(false)
  }
  // A name that is taken here, although it is free there.
  await atEngine('DELETE', 'other.lxd?force=1')
  await atEngine('POST', 'new.lxd/rename?name=other.lxd')
  await becomes(() => named('new.lxd'), true)
  await allTold()
  expect([told('new').filter((action) => action === 'instance-renamed').length, await statusOf('other')]).toEqual([
    1,
    'Error',
  ])
}, 180_000)
