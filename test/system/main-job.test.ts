import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { fieldOf } from '../../src/setup/api-client.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

let windlass: TestWindlass

beforeAll(async () => {
  windlass = await startWindlass({ workers: 2 })
  await publishStarterImage(windlass.socket, await staticBusybox())
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

const create = (name: string, more: object = {}) =>
  windlass.operate('POST', '/1.0/instances', { name, source: { type: 'image', alias: 'busybox' }, ...more })
const state = (name: string, action: string, more: object = {}) =>
  windlass.operate('PUT', `/1.0/instances/${name}/state`, { action, timeout: 30, ...more })

async function exec(name: string, script: string): Promise<{ code: unknown; stdout: string }> {
  const body = { command: ['sh', '-c', script], 'record-output': true }
  const operation = await windlass.operate('POST', `/1.0/instances/${name}/exec`, body)
  expect(operation).toMatchObject({ status: 'Success', err: '' })
  const log = fieldOf(fieldOf(operation.metadata, 'output'), '1')
  const stdout = (await windlass.call('GET', String(log))).text
  return { code: operation.metadata?.['return'], stdout }
}

async function remove(...names: string[]): Promise<void> {
  for (const name of names) {
    await state(name, 'stop', { force: true })
    expect(await windlass.operate('DELETE', `/1.0/instances/${name}`)).toMatchObject({ status: 'Success' })
  }
}

test('an instance is created, started, written to, snapshotted, restored, cloned and deleted', async () => {
  expect(await create('c1')).toMatchObject({ status: 'Success', resources: { instances: ['/1.0/instances/c1'] } })
  expect(await state('c1', 'start')).toMatchObject({ status: 'Success' })
  expect(await exec('c1', 'echo old > /root/note; cat /root/note')).toEqual({ code: 0, stdout: 'old\n' })
  expect(await windlass.operate('POST', '/1.0/instances/c1/snapshots', { name: 's0' })).toMatchObject({
    status: 'Success',
  })
  await exec('c1', 'echo new > /root/note')
  const address = await addressOf('c1')
  expect(await windlass.operate('PUT', '/1.0/instances/c1', { restore: 'c1/s0' })).toMatchObject({ status: 'Success' })
  expect((await exec('c1', 'cat /root/note')).stdout).toBe('old\n')
  expect(await addressOf('c1')).toBe(address)
  const copied = await windlass.operate('POST', '/1.0/instances', {
    name: 'c2',
    source: { type: 'copy', source: 'c1/s0' },
  })
  expect(copied).toMatchObject({ status: 'Success' })
  expect(await state('c2', 'start')).toMatchObject({ status: 'Success' })
  expect((await exec('c2', 'cat /root/note; hostname')).stdout).toBe('old\nc2\n')
  expect(await addressOf('c2')).not.toBe(address)
  await remove('c1', 'c2')
  expect(fieldOf((await windlass.call('GET', '/1.0/instances')).body, 'metadata')).toEqual([])
})

test('a copy of a running instance takes its snapshots along, and both live on', async () => {
  await create('r1', { start: true })
  await exec('r1', 'echo one > /root/a')
  await windlass.operate('POST', '/1.0/instances/r1/snapshots', { name: 'first' })
  await exec('r1', 'echo two > /root/a')
  expect(
    await windlass.operate('POST', '/1.0/instances', { name: 'r2', source: { type: 'copy', source: 'r1' } }),
  ).toMatchObject({
    status: 'Success',
  })
  const snapshots = await windlass.call('GET', '/1.0/instances/r2/snapshots')
  expect(fieldOf(snapshots.body, 'metadata')).toEqual(['/1.0/instances/r2/snapshots/first'])
  await state('r2', 'start')
  expect((await exec('r2', 'cat /root/a')).stdout).toBe('two\n')
  await windlass.operate('DELETE', '/1.0/instances/r1/snapshots/first')
  await windlass.operate('PUT', '/1.0/instances/r2', { restore: 'first' })
  expect((await exec('r2', 'cat /root/a')).stdout).toBe('one\n')
  expect((await exec('r1', 'cat /root/a')).stdout).toBe('two\n')
  await remove('r1', 'r2')
})

test('configuration acts live where Docker can, by recreation where it cannot, and never for user keys', async () => {
  await create('k1', { start: true, config: { 'user.owner': 'anna' } })
  await exec('k1', 'echo kept > /root/file')
  const before = await containerOf('k1')
  expect(await put('k1', { 'user.owner': 'berta', 'limits.memory': '64MiB', 'limits.processes': '50' })).toMatchObject({
    status: 'Success',
  })
  expect(await containerOf('k1')).toBe(before)
  const limits = await inspect('k1')
  expect(limits).toMatchObject({ HostConfig: { Memory: 64 * 2 ** 20, PidsLimit: 50 } })
  expect(await put('k1', { 'user.owner': 'berta', 'environment.COLOUR': 'blue' })).toMatchObject({ status: 'Success' })
  expect((await exec('k1', 'cat /root/file; tr "\\0" "\\n" < /proc/1/environ | grep COLOUR')).stdout).toBe(
    'kept\nCOLOUR=blue\n',
  )
  expect(await put('k1', { 'user.owner': 'berta' })).toMatchObject({ status: 'Success' })
  expect((await exec('k1', 'cat /root/file; tr "\\0" "\\n" < /proc/1/environ | grep -c COLOUR')).stdout).toBe(
    'kept\n0\n',
  )
  await remove('k1')
})

test('what can be known at once is refused at once', async () => {
  await create('b1')
  const refused = async (...[method, path, body, status, error]: [string, string, unknown, number, string]) => {
    const answer = await windlass.call(method, path, body)
    expect(answer.body).toMatchObject({ type: 'error', error_code: status, error: expect.stringContaining(error) })
    expect(answer.status).toBe(status)
  }
  const source = { type: 'image', alias: 'busybox' }
  await refused('POST', '/1.0/instances', { name: 'b1', source }, 409, 'This "instances" entry already exists')
  await refused('POST', '/1.0/instances', { name: 'b_2', source }, 400, 'Invalid instance name')
  await refused(
    'POST',
    '/1.0/instances',
    { name: 'b2', source, config: { nonsense: '1' } },
    400,
    'Unknown configuration key: nonsense',
  )
  await refused(
    'POST',
    '/1.0/instances',
    { name: 'b2', source, profiles: ['nosuch'] },
    404,
    `Requested profile "nosuch" doesn't exist`,
  )
  await refused('PUT', '/1.0/instances/b1/state', { action: 'stop' }, 400, 'The instance is already stopped')
  await refused('PUT', '/1.0/instances/b1/state', { action: 'dance' }, 400, "Unknown action: 'dance'")
  await refused('PUT', '/1.0/instances/none/state', { action: 'stop' }, 404, 'Instance not found')
  await refused('PUT', '/1.0/instances/b1', { restore: 'nosuch' }, 404, 'Snapshot b1/nosuch does not exist')
  await windlass.operate('DELETE', '/1.0/instances/b1')
})

test('the same Idempotency-Key gives the same operation, another body is refused', async () => {
  const headers = { 'idempotency-key': 'once' }
  const body = { name: 'i1', source: { type: 'image', alias: 'busybox' } }
  const [first, second] = await Promise.all([
    windlass.call('POST', '/1.0/instances', body, headers),
    windlass.call('POST', '/1.0/instances', body, headers),
  ])
  expect(fieldOf(first.body, 'operation')).toBe(fieldOf(second.body, 'operation'))
  expect(await windlass.ended(first)).toMatchObject({ status: 'Success' })
  const later = await windlass.call('POST', '/1.0/instances', body, headers)
  expect(fieldOf(later.body, 'operation')).toBe(fieldOf(first.body, 'operation'))
  const other = await windlass.call('POST', '/1.0/instances', { ...body, name: 'i2' }, headers)
  expect(other.status).toBe(422)
  await windlass.operate('DELETE', '/1.0/instances/i1')
})

async function put(name: string, config: Record<string, string>) {
  return windlass.operate('PUT', `/1.0/instances/${name}`, {
    config,
    devices: {},
    profiles: ['default'],
    description: '',
  })
}

async function addressOf(name: string): Promise<unknown> {
  const read = await windlass.call('GET', `/1.0/instances/${name}/state`)
  const eth0 = fieldOf(fieldOf(fieldOf(read.body, 'metadata'), 'network'), 'eth0')
  const addresses = fieldOf(eth0, 'addresses')
  return Array.isArray(addresses) ? fieldOf(addresses[0], 'address') : undefined
}

async function inspect(name: string): Promise<unknown> {
  const { askEngine } = await import('../support/ask-engine.ts')
  return JSON.parse((await askEngine(windlass.engine.socket, 'GET', `/containers/${name}.lxd/json`)).text)
}

async function containerOf(name: string): Promise<unknown> {
  return fieldOf(await inspect(name), 'Id')
}
