import { afterAll, beforeAll, expect, test } from 'vitest'
import { callApi, fieldOf, type ApiAnswer } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { engineObjects, readFileIn } from '../support/engine-objects.ts'
import { until } from '../support/processes.ts'
import { askStreams } from '../support/stream-client.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

// Commands keep nobody from stopping, changing or deleting their instance: they end with it, and none runs twice.

const HELD = 'instance.exec.mark.before@held'
const KILLED = 137

let windlass: TestWindlass

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_TEST_POINT: HELD } })
  await publishStarterImage(windlass.socket, await staticBusybox())
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function operate(method: string, path: string, body?: unknown): Promise<Operation> {
  const ended = await windlass.operate(method, path, body)
  expect(ended).toMatchObject({ status: 'Success', err: '' })
  return ended
}

const at = (name: string) => `/1.0/instances/${name}`
const make = (name: string) =>
  operate('POST', '/1.0/instances', { name, source: { type: 'image', alias: 'busybox' }, start: true })
const ask = (name: string, body: object): Promise<ApiAnswer> => windlass.call('POST', `${at(name)}/exec`, body)

/** A recorded command that says so when it runs, and runs on. */
async function begin(name: string): Promise<ApiAnswer> {
  const script = 'echo began; echo x >> /root/ran; exec sleep 1000'
  const accepted = await ask(name, { command: ['sh', '-c', script], 'record-output': true })
  const ran = () => readFileIn(windlass.engine.socket, `${name}.lxd`, '/root/ran')
  await until(10_000, ran, () => new Error(`Nothing runs in ${name}`))
  return accepted
}

/** What is done to an instance in which commands run. */
const ENDS: Record<string, (name: string) => Promise<unknown>> = {
  stopped: (name) => operate('PUT', `${at(name)}/state`, { action: 'stop', force: true }),
  restarted: (name) => operate('PUT', `${at(name)}/state`, { action: 'restart', force: true }),
  recreated: (name) =>
    operate('PUT', at(name), { config: { 'environment.A': 'b' }, devices: {}, profiles: ['default'] }),
  restored: (name) => operate('PUT', at(name), { restore: 's0' }),
}

test.each(Object.keys(ENDS))('commands in an instance that is %s end as killed', async (name) => {
  await make(name)
  await operate('POST', `${at(name)}/snapshots`, { name: 's0' })
  const command = ['sh', '-c', 'echo ready; exec sleep 1000']
  const session = await askStreams(windlass, `${at(name)}/exec`, { command, 'wait-for-websocket': true })
  const [, stdout] = await Promise.all(['0', '1', '2'].map((fd) => session.open(fd)))
  const [recorded] = await Promise.all([begin(name), stdout?.until((said) => said === 'ready\n')])
  await ENDS[name]?.(name)
  const ended = await windlass.ended(recorded)
  expect(ended).toMatchObject({ status: 'Success', err: '', metadata: { return: KILLED } })
  expect(await session.ended()).toMatchObject({ status: 'Success', err: '', metadata: { return: KILLED } })
  expect(await stdout?.closed).toBe(1000)
  const log = String(fieldOf(ended.metadata?.['output'], '1'))
  expect((await callApi(windlass.socket, { method: 'GET', path: log })).text).toBe('began\n')
})

test('a command in an instance that is deleted ends as killed, and leaves nothing', async () => {
  await make('deleted')
  const recorded = await begin('deleted')
  await operate('PUT', `${at('deleted')}/state`, { action: 'stop', force: true })
  await operate('DELETE', at('deleted'))
  expect(await windlass.ended(recorded)).toMatchObject({ status: 'Success', metadata: { return: KILLED } })
  await operate('POST', '/1.0/reconcile', {})
  expect((await engineObjects(windlass.engine.socket)).containers).not.toContain('deleted.lxd')
})

test('one that has not begun is not run in an instance that is stopped or gone', async () => {
  const [worker] = windlass.workers
  await make('held')
  const accepted = await ask('held', { command: ['true'] })
  await worker?.holds([HELD])
  await operate('PUT', `${at('held')}/state`, { action: 'stop', force: true })
  worker?.letGo(HELD)
  expect(await windlass.ended(accepted)).toMatchObject({ status: 'Failure', err: 'Instance is not running' })
  await operate('PUT', `${at('held')}/state`, { action: 'start' })
  const next = await ask('held', { command: ['true'], 'record-output': true })
  await worker?.holds([HELD])
  await operate('PUT', `${at('held')}/state`, { action: 'stop', force: true })
  await operate('DELETE', at('held'))
  worker?.letGo(HELD)
  expect(await windlass.ended(next)).toMatchObject({
    status: 'Failure',
    err: 'Instance not found',
    windlass: { warnings: [] },
  })
})

test('one whose websockets come when its instance has been stopped or frozen is refused as at first', async () => {
  await make('late')
  const wanted = { command: ['true'], 'wait-for-websocket': true }
  for (const [action, err] of [
    ['freeze', 'Instance is frozen'],
    ['stop', 'Instance is not running'],
  ]) {
    const session = await askStreams(windlass, `${at('late')}/exec`, wanted)
    await operate('PUT', `${at('late')}/state`, { action, force: true })
    await Promise.all(['0', '1', '2'].map((fd) => session.open(fd)))
    expect(await session.ended()).toMatchObject({ status: 'Failure', err })
    if (action === 'freeze') await operate('PUT', `${at('late')}/state`, { action: 'unfreeze' })
  }
})

test('one whose worker has died ends with its instance, once', async () => {
  await make('orphaned')
  const recorded = await begin('orphaned')
  const [worker] = windlass.workers
  worker?.kill('SIGKILL')
  await worker?.exited
  const next = await windlass.startWorker()
  await operate('PUT', `${at('orphaned')}/state`, { action: 'stop', force: true })
  expect(await windlass.ended(recorded)).toMatchObject({
    status: 'Failure',
    err: expect.stringMatching(/the command has ended since, its output and exit code are lost$/),
  })
  expect(await readFileIn(windlass.engine.socket, 'orphaned.lxd', '/root/ran')).toBe('x\n')
  next.kill('SIGTERM')
})
