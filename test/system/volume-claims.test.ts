// Instances, and the custom volumes and profiles they are made by, changed at the same time: held between two steps.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { engineObjects, readFileIn, writeFileIn } from '../support/engine-objects.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type TestProcess, type TestWindlass } from '../support/windlass.ts'

const ALL = '/1.0/storage-pools/default/volumes/custom'
const at = (name: string) => `${ALL}/${name}`
const source = { type: 'image', alias: 'busybox' }
const mounting = (volume: string) => ({ data: { type: 'disk', pool: 'default', source: volume, path: '/data' } })

let windlass: TestWindlass
let worker: TestProcess

beforeAll(async () => {
  windlass = await startWindlass({ workers: 0 })
  worker = await windlass.startWorker({
    WINDLASS_TEST_POINT:
      'volume.restore.record.before,volume.refresh.record.before,instance.create.container.before@late,' +
      'instance.create.look.before@taught,instance.update.plan.before@given,network.delete.remove.before',
  })
  await publishStarterImage(windlass.socket, await staticBusybox())
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function operate(method: string, path: string, body?: unknown): Promise<void> {
  expect(await windlass.operate(method, path, body)).toMatchObject({ status: 'Success', err: '' })
}

async function send(method: string, path: string, body?: unknown): Promise<void> {
  const { status, text } = await windlass.call(method, path, body)
  expect([status < 300, text]).toEqual([true, expect.any(String)])
}

async function answered(method: string, path: string, body?: unknown): Promise<[number, unknown]> {
  const answer = await windlass.call(method, path, body)
  return [answer.status, fieldOf(answer.body, 'error')]
}

const busy = (action: string) => [409, `Volume is busy running a "${action}" operation`]

test('no instance gets a volume that is being restored', async () => {
  await send('POST', ALL, { name: 'v1' })
  await operate('POST', `${at('v1')}/snapshots`, { name: 's0' })
  await operate('POST', '/1.0/instances', { name: 'c1', source })
  await operate('POST', '/1.0/instances', { name: 'c2', source, devices: mounting('v1') })
  await operate('POST', '/1.0/instances/c2/snapshots', { name: 'had' })
  await operate('PUT', '/1.0/instances/c2', { devices: {}, profiles: ['default'] })

  const restoring = windlass.call('PUT', at('v1'), { restore: 's0' })
  await worker.holds(['volume.restore.record.before'])
  const devices = mounting('v1')
  const refusals = [
    await answered('POST', '/1.0/instances', { name: 'c3', source, devices }),
    await answered('POST', '/1.0/instances', { name: 'c3', source: { type: 'copy', source: 'c1' }, devices }),
    await answered('PATCH', '/1.0/instances/c1', { devices }),
    await answered('PUT', '/1.0/instances/c2', { restore: 'had' }),
  ]
  worker.letGo('volume.restore.record.before')
  expect((await restoring).status).toBe(200)
  expect(refusals).toEqual(refusals.map(() => busy('restore')))
  await send('PATCH', '/1.0/instances/c1', { devices })
  await operate('DELETE', '/1.0/instances/c1')
})

test('a volume that an instance is being made with stays as it is', async () => {
  await send('POST', ALL, { name: 'v2' })
  await operate('POST', `${at('v2')}/snapshots`, { name: 's0' })
  const accepted = await windlass.call('POST', '/1.0/instances', { name: 'late', source, devices: mounting('v2') })
  await worker.holds(['instance.create.container.before@late'])
  const refusals = [
    await answered('PUT', at('v2'), { restore: 's0' }),
    await answered('POST', at('v2'), { name: 'v3' }),
    await answered('DELETE', at('v2')),
  ]
  worker.letGo('instance.create.container.before@late')
  expect(await windlass.ended(accepted)).toMatchObject({ status: 'Success' })
  expect(refusals).toEqual([
    [409, 'An instance that mounts the volume is just being changed; try again'],
    [400, 'The storage volume is still in use'],
    [400, 'The storage volume is still in use'],
  ])
})

test('a profile that an instance is being made with, or gets, stays as it is', async () => {
  await send('POST', ALL, { name: 'v9' })
  await send('POST', '/1.0/profiles', { name: 'p' })
  await operate('POST', '/1.0/instances', { name: 'given', source })
  const profiles = ['default', 'p']
  const devices = mounting('v9')
  const creating = await windlass.call('POST', '/1.0/instances', { name: 'taught', source, profiles })
  await worker.holds(['instance.create.look.before@taught'])
  const refusals = [
    await answered('PATCH', '/1.0/profiles/p', { devices }),
    await answered('POST', '/1.0/profiles/p', { name: 'q' }),
    await answered('DELETE', '/1.0/profiles/p'),
  ]
  await send('PATCH', '/1.0/profiles/p', { description: 'no container has it' })
  worker.letGo('instance.create.look.before@taught')
  expect(await windlass.ended(creating)).toMatchObject({ status: 'Success' })
  await operate('DELETE', '/1.0/instances/taught')
  await send('PATCH', '/1.0/profiles/p', { devices })

  const updating = await windlass.call('PUT', '/1.0/instances/given', { profiles })
  await worker.holds(['instance.update.plan.before@given'])
  refusals.push(await answered('PUT', '/1.0/profiles/p', {}))
  worker.letGo('instance.update.plan.before@given')
  expect(await windlass.ended(updating)).toMatchObject({ status: 'Success' })
  expect(refusals).toEqual([
    [409, 'Profile is busy running a "create" operation'],
    [400, 'Profile is currently in use'],
    [400, 'Profile is currently in use'],
    [409, 'Profile is busy running a "update" operation'],
  ])
})

test('no profile gets a network that is being deleted', async () => {
  await send('POST', '/1.0/networks', { name: 'n1' })
  const deleting = windlass.call('DELETE', '/1.0/networks/n1')
  await worker.holds(['network.delete.remove.before'])
  const devices = { eth0: { type: 'nic', network: 'n1' } }
  expect(await answered('POST', '/1.0/profiles', { name: 'n', devices })).toEqual([
    409,
    'Network is busy running a "delete" operation',
  ])
  worker.letGo('network.delete.remove.before')
  expect((await deleting).status).toBe(200)
})

test('a refresh that is cancelled leaves the copy as it was', async () => {
  for (const name of ['v7', 'v8']) await send('POST', ALL, { name })
  await operate('POST', `${at('v7')}/snapshots`, { name: 's0' })
  await operate('POST', '/1.0/instances', { name: 'c8', source, devices: mounting('v8') })
  const { socket } = windlass.engine
  await writeFileIn(socket, 'c8.lxd', '/data', { name: 'note', content: 'own' })
  const before = await engineObjects(socket)
  const body = { name: 'v8', source: { type: 'copy', name: 'v7', refresh: true } }
  const accepted = await windlass.call('POST', ALL, body)
  await worker.holds(['volume.refresh.record.before'])
  expect(await answered('PUT', '/1.0/instances/c8/state', { action: 'start' })).toEqual([
    409,
    'Instance is busy running a "refresh" operation',
  ])
  await send('DELETE', String(fieldOf(accepted.body, 'operation')))
  worker.letGo('volume.refresh.record.before')
  const ended = await windlass.ended(accepted)
  expect(ended).toMatchObject({ status: 'Cancelled' })
  expect(await engineObjects(socket)).toEqual(before)
  expect(await readFileIn(socket, 'c8.lxd', '/data/note')).toBe('own')
  expect(fieldOf((await windlass.call('GET', `${at('v8')}/snapshots`)).body, 'metadata')).toEqual([])
})

test('a request that was looked at before a volume or a profile changed is looked at again', async () => {
  await send('POST', ALL, { name: 'v4' })
  await send('POST', ALL, { name: 'v5' })
  await send('POST', '/1.0/profiles', { name: 'r' })
  const points = ['accept.record.before@early', 'accept.record.before@v5', 'accept.record.before@lately']
  const api = await windlass.startApi({ WINDLASS_TEST_POINT: points.join(',') })
  const other = async (method: string, path: string, body?: unknown) => {
    const answer = await callApi(api.socket, { method, path, body })
    return [answer.status, fieldOf(answer.body, 'error')]
  }
  const creating = other('POST', '/1.0/instances', { name: 'early', source, devices: mounting('v4') })
  const deleting = other('DELETE', at('v5'))
  const having = other('POST', '/1.0/instances', { name: 'lately', source, profiles: ['default', 'r'] })
  await api.holds(points)
  await send('POST', at('v4'), { name: 'v6' })
  await operate('POST', '/1.0/instances', { name: 'c5', source, devices: mounting('v5') })
  await send('PATCH', '/1.0/profiles/r', { devices: mounting('nowhere') })
  for (const point of points) api.letGo(point)
  expect(await creating).toEqual([400, expect.stringContaining('Storage volume "v4" not found in pool "default"')])
  expect(await deleting).toEqual([409, 'The storage volume is still in use'])
  expect(await having).toEqual([400, expect.stringContaining('Storage volume "nowhere" not found')])
})

test('what somebody else makes of an instance stays, whoever was about to change it', async () => {
  await send('POST', '/1.0/profiles', { name: 'f', config: { 'limits.processes': '50' } })
  const config = { 'user.old': '1' }
  for (const name of ['i1', 'i2', 'i3', 'i4', 'i5', 'i6'])
    await operate('POST', '/1.0/instances', {
      name,
      source,
      config,
      ...(name === 'i1' && { profiles: ['default', 'f'] }),
    })
  const points = ['i1', 'i2', 'i3', 'i4', 'i5'].map((name) => `accept.record.before@${name}`)
  const api = await windlass.startApi({ WINDLASS_TEST_POINT: points.join(',') })
  const other = (method: string, path: string, body?: unknown, headers = {}) =>
    callApi(api.socket, { method, path, body, headers })
  const seen = await windlass.call('GET', '/1.0/instances/i3')
  const asked = [
    other('PATCH', '/1.0/profiles/f', { config: { 'limits.processes': '60' } }),
    other('PATCH', '/1.0/instances/i2', { config: { 'user.a': 'a' } }),
    other('PATCH', '/1.0/instances/i3', { config: { 'user.a': 'a' } }, { 'if-match': String(seen.headers['etag']) }),
    other('DELETE', '/1.0/instances/i4'),
    other('POST', '/1.0/instances', { name: 'i5', source: { type: 'copy', source: 'i6', refresh: true } }),
  ]
  await api.holds(points)
  for (const name of ['i1', 'i2', 'i3']) await send('PATCH', `/1.0/instances/${name}`, { config: { 'user.b': 'b' } })
  await send('PATCH', '/1.0/instances/i4', { config: { 'security.protection.delete': 'true' } })
  await operate('PUT', '/1.0/instances/i5/state', { action: 'start' })
  api.onPoint((reached) => api.letOn(reached))
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 412, 400, 409])
  const expanded = async (name: string) =>
    fieldOf(fieldOf((await windlass.call('GET', `/1.0/instances/${name}`)).body, 'metadata'), 'expanded_config')
  expect(await expanded('i1')).toMatchObject({ 'user.old': '1', 'user.b': 'b', 'limits.processes': '60' })
  expect(await expanded('i2')).toMatchObject({ 'user.old': '1', 'user.a': 'a', 'user.b': 'b' })
  expect(await expanded('i3')).toMatchObject({ 'user.old': '1', 'user.b': 'b' })
  expect(await expanded('i3')).not.toHaveProperty(['user.a'])
})
