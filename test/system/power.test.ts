import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { readFileIn } from '../support/engine-objects.ts'
import { until } from '../support/processes.ts'
import { systemImageTar } from '../support/system-image.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

// Instances have the power their records say: through deaths of their own, of the engine and of the server.

const source = { type: 'image', alias: 'busybox' }

let windlass: TestWindlass
/** What the lifecycle events have said. */
let lifecycle = ''

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
  await publishStarterImage(windlass.socket, '/bin/busybox')
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
  operate('POST', '/1.0/instances', { name, source, start: true, ...more })
const stop = (name: string) => operate('PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true })
const atEngine = (method: string, name: string, action: string) =>
  askEngine(windlass.engine.socket, method, `/containers/${name}.lxd/${action}`)

async function stateOf(name: string): Promise<{ Status: string; StartedAt: string; ExitCode: number }> {
  return JSON.parse((await atEngine('GET', name, 'json')).text).State
}

async function statusOf(name: string): Promise<unknown> {
  const { status, body } = await windlass.call('GET', `/1.0/instances/${name}`)
  return status === 404 ? 'gone' : fieldOf(fieldOf(body, 'metadata'), 'status')
}

/** Operations on an instance, newest first. */
async function historyOf(name: string): Promise<{ kind: unknown; by: unknown; status: unknown }[]> {
  const { body } = await windlass.call('GET', `/1.0/operations?history=true&instance=${name}`)
  const operations = fieldOf(fieldOf(body, 'metadata'), 'operations')
  if (!Array.isArray(operations)) return []
  return operations.map((one) => {
    const told = fieldOf(one, 'windlass')
    return {
      kind: fieldOf(told, 'kind'),
      by: fieldOf(fieldOf(told, 'requestor'), 'username'),
      status: fieldOf(one, 'status'),
    }
  })
}

async function becomes(name: string, status: string): Promise<void> {
  const look = async () => ((await statusOf(name)) === status ? true : undefined)
  await until(20_000, look, () => new Error(`${name} does not become ${status}`))
}

async function restartEngine(): Promise<void> {
  await windlass.engine.kill()
  await windlass.engine.restart()
}

/** Resolves when the server has started it after the engine came up, and the operation is over. */
async function startedAgain(name: string): Promise<void> {
  const look = async () => {
    const [newest] = await historyOf(name)
    const isOver = newest?.by === 'windlass' && newest.status === 'Success'
    return isOver && (await stateOf(name)).Status === 'running' ? true : undefined
  }
  await until(20_000, look, () => new Error(`${name} is not started again`))
}

test('one that dies while the engine stays up stays down, also after the next restart of the engine', async () => {
  await create('died')
  await create('ephemeral', { ephemeral: true })
  await create('lives')
  for (const name of ['died', 'ephemeral']) await atEngine('POST', name, 'kill?signal=KILL')
  await becomes('died', 'Stopped')
  await becomes('ephemeral', 'gone')
  await settledDown('died')
  await restartEngine()
  await startedAgain('lives')
  expect([await statusOf('died'), (await stateOf('died')).Status]).toEqual(['Stopped', 'exited'])
  expect(await historyOf('lives')).toEqual([
    { kind: 'instance.start', by: 'windlass', status: 'Success' },
    { kind: 'instance.create', by: expect.anything(), status: 'Success' },
  ])
  await stop('lives')
  await operate('DELETE', '/1.0/instances/lives')
  await operate('DELETE', '/1.0/instances/died')
}, 60_000)

/** Resolves when the server has written down that it has stopped by itself: from then on it is left alone. */
async function settledDown(name: string): Promise<void> {
  const told = `"instance-shutdown","source":"/1.0/instances/${name}"`
  await until(
    10_000,
    async () => (lifecycle.includes(told) ? true : undefined),
    () => new Error(`Nobody says that ${name} has stopped`),
  )
}

test('one that others start is told of once, and is started again after the engine', async () => {
  await create('roused', { start: false })
  await atEngine('POST', 'roused', 'start')
  const told = '"instance-started","source":"/1.0/instances/roused"'
  await until(
    10_000,
    async () => (lifecycle.includes(told) ? true : undefined),
    () => new Error('Nobody says that it was started'),
  )
  await restartEngine()
  await startedAgain('roused')
  // Once for those who started it, once for the server after the engine's restart.
  expect(lifecycle.split(told)).toHaveLength(3)
  await stop('roused')
  await operate('DELETE', '/1.0/instances/roused')
}, 60_000)

test('a system that reboots from inside is started again', async () => {
  const init = 'if [ ! -e /booted ]; then : > /booted; sleep 1; exit 129; fi\nwhile :; do sleep 1; done'
  const uploaded = await operate('POST', '/1.0/images', await systemImageTar(init))
  const image = { type: 'image', fingerprint: uploaded.metadata?.['fingerprint'] }
  await create('system', { source: image })
  const first = (await stateOf('system')).StartedAt
  await startedAgain('system')
  expect((await stateOf('system')).StartedAt).not.toBe(first)
  await stop('system')
  await operate('DELETE', '/1.0/instances/system')
}, 60_000)

test('after the engine those that ran are started, by priority, and those that shall not are not', async () => {
  await create('first', { config: { 'boot.autostart.priority': '10' } })
  await create('second', { config: { 'boot.autostart.priority': '5' } })
  await create('never', { config: { 'boot.autostart': 'false' } })
  await create('always', { start: false, config: { 'boot.autostart': 'true' } })
  await create('stopped')
  await stop('stopped')
  expect(await statusOf('always')).toBe('Stopped')
  await restartEngine()
  for (const name of ['first', 'second', 'always']) await startedAgain(name)
  expect([await statusOf('never'), await statusOf('stopped')]).toEqual(['Stopped', 'Stopped'])
  const started = (await Promise.all(['first', 'second', 'always'].map(stateOf))).map(({ StartedAt }) => StartedAt)
  expect(started).toEqual(started.toSorted((a, b) => a.localeCompare(b)))
  // Stopped by its user after the engine came up: its autostart waits for the next time.
  await stop('always')
  await create('witness')
  await atEngine('POST', 'witness', 'kill?signal=KILL')
  await settledDown('witness')
  expect(await statusOf('always')).toBe('Stopped')
}, 60_000)

test('a server that was away meanwhile finds out what has happened', async () => {
  await create('survivor')
  await create('victim')
  windlass.api.kill('SIGKILL')
  await windlass.api.exited
  await atEngine('POST', 'victim', 'kill?signal=KILL')
  await windlass.engine.kill()
  const [api] = await Promise.all([windlass.startApi({ WINDLASS_SOCKET: windlass.socket }), windlass.engine.restart()])
  expect(api.pid).toBeGreaterThan(0)
  await startedAgain('survivor')
  // Nobody saw it die before the engine did.
  await startedAgain('victim')
  expect(await readFileIn(windlass.engine.socket, 'survivor.lxd', '/etc/hostname')).toBe('survivor\n')
}, 60_000)
