import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

let windlass: TestWindlass

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
  await publishStarterImage(windlass.socket, await staticBusybox())
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

const read = async (path: string) => fieldOf((await windlass.call('GET', path)).body, 'metadata')
const create = (name: string, more: object = {}) =>
  windlass.operate('POST', '/1.0/instances', { name, source: { type: 'image', alias: 'busybox' }, ...more })

const ask = async (path: string): Promise<unknown> =>
  JSON.parse((await askEngine(windlass.engine.socket, 'GET', path)).text)

async function refused(method: string, path: string, body?: unknown): Promise<{ status: number; error: unknown }> {
  const answer = await windlass.call(method, path, body)
  return { status: answer.status, error: fieldOf(answer.body, 'error') }
}

async function removeInstance(name: string, isRunning = true): Promise<void> {
  if (isRunning)
    await windlass.operate('PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true, timeout: 30 })
  expect(await windlass.operate('DELETE', `/1.0/instances/${name}`)).toMatchObject({ status: 'Success' })
}

test('a first start leaves a project, a profile and a network', async () => {
  expect(await read('/1.0/projects/default')).toMatchObject({
    config: { 'features.images': 'true', 'features.networks': 'true', 'features.profiles': 'true' },
  })
  expect(await read('/1.0/profiles/default')).toMatchObject({
    devices: { eth0: { network: 'lxdbr0', type: 'nic' }, root: { path: '/', pool: 'default', type: 'disk' } },
  })
  expect(await read('/1.0/networks/lxdbr0')).toMatchObject({
    managed: true,
    type: 'bridge',
    config: { 'ipv4.address': expect.stringMatching(/^10\..*\.1\/20$/), 'ipv4.nat': 'true', 'ipv6.address': 'none' },
    used_by: ['/1.0/profiles/default'],
  })
  expect(await read('/1.0/networks/lxdbr0/state')).toMatchObject({ state: 'up' })
  // Another process that starts makes nothing twice.
  await windlass.startApi()
  expect(await read('/1.0/networks')).toEqual(['/1.0/networks/lxdbr0'])
})

test('profiles are made, refused, renamed and deleted in the words of LXD', async () => {
  expect((await windlass.call('POST', '/1.0/profiles', { name: 'p1' })).status).toBe(201)
  expect(await refused('POST', '/1.0/profiles', { name: 'p1' })).toEqual({
    status: 409,
    error: 'Error inserting "p1" into database: The profile already exists',
  })
  expect(await refused('PUT', '/1.0/profiles/p1', { config: { nosuch: '1' } })).toEqual({
    status: 400,
    error: 'Unknown configuration key: nosuch',
  })
  expect(await create('c1', { profiles: ['default', 'p1'] })).toMatchObject({ status: 'Success' })
  expect(await read('/1.0/profiles/p1')).toMatchObject({ used_by: ['/1.0/instances/c1'] })
  expect(await refused('DELETE', '/1.0/profiles/p1')).toEqual({ status: 400, error: 'Profile is currently in use' })
  expect(await refused('DELETE', '/1.0/profiles/default')).toEqual({
    status: 403,
    error: 'The "default" profile cannot be deleted',
  })
  expect((await windlass.call('POST', '/1.0/profiles/p1', { name: 'p2' })).status).toBe(201)
  expect(await read('/1.0/instances/c1')).toMatchObject({ profiles: ['default', 'p2'] })
  await removeInstance('c1', false)
  expect((await windlass.call('DELETE', '/1.0/profiles/p2')).status).toBe(200)
  expect(await refused('GET', '/1.0/profiles/p2')).toEqual({ status: 404, error: 'Profile not found' })
})

test('a changed profile changes the running instances that have it', async () => {
  await windlass.call('POST', '/1.0/profiles', { name: 'small', config: { 'limits.memory': '64MiB' } })
  await create('l1', { profiles: ['default', 'small'], start: true })
  const uuid = fieldOf(fieldOf(await read('/1.0/instances/l1'), 'config'), 'volatile.uuid')
  const limits = async () => {
    const filters = encodeURIComponent(JSON.stringify({ label: [`windlass.uuid=${String(uuid)}`] }))
    const listed = await ask(`/containers/json?all=1&filters=${filters}`)
    const id = fieldOf(Array.isArray(listed) ? listed[0] : undefined, 'Id')
    const detail = await ask(`/containers/${String(id)}/json`)
    return { id, memory: fieldOf(fieldOf(detail, 'HostConfig'), 'Memory') }
  }
  const before = await limits()
  expect(before.memory).toBe(64 * 2 ** 20)

  expect((await windlass.call('PUT', '/1.0/profiles/small', { config: { 'limits.memory': '96MiB' } })).status).toBe(200)
  expect(await limits()).toEqual({ id: before.id, memory: 96 * 2 ** 20 })

  const environment = { 'limits.memory': '96MiB', 'environment.COLOUR': 'blue' }
  expect((await windlass.call('PUT', '/1.0/profiles/small', { config: environment })).status).toBe(200)
  const after = await limits()
  expect(after.id).not.toBe(before.id)
  expect(await read('/1.0/instances/l1')).toMatchObject({ status: 'Running', expanded_config: environment })

  const same = { ...environment, 'user.note': 'nothing to do' }
  expect((await windlass.call('PUT', '/1.0/profiles/small', { config: same })).status).toBe(200)
  expect((await limits()).id).toBe(after.id)

  // A fault in any instance refuses the change as a whole.
  const fault = await refused('PATCH', '/1.0/profiles/small', {
    devices: { root: { type: 'disk', path: '/', pool: 'other' } },
  })
  expect(fault.status).toBe(400)
  await removeInstance('l1')
})

test('networks are made with an address, lease it, and stay while they are used', async () => {
  const config = { 'ipv4.address': '10.77.0.1/24', 'ipv4.nat': 'false', 'ipv6.address': 'none' }
  expect((await windlass.call('POST', '/1.0/networks', { name: 'net1', config })).status).toBe(201)
  expect(await read('/1.0/networks/net1')).toMatchObject({ config, used_by: [] })
  expect(await refused('POST', '/1.0/networks', { name: 'net1' })).toEqual({
    status: 409,
    error: 'The network already exists',
  })
  expect(await refused('POST', '/1.0/networks', { name: 'net2', config: { nosuch: '1' } })).toEqual({
    status: 400,
    error: 'Invalid option for network "net2" option "nosuch"',
  })
  expect((await refused('POST', '/1.0/networks', { name: 'net2', config })).status).toBe(409)
  const devices = { eth0: { type: 'nic', network: 'net1' } }
  await create('n1', { devices, start: true })
  expect(await read('/1.0/networks/net1')).toMatchObject({ used_by: ['/1.0/instances/n1'] })
  expect(await read('/1.0/networks/net1/leases')).toMatchObject([
    { hostname: 'net1.gw', address: '10.77.0.1', type: 'gateway' },
    { hostname: 'n1', address: '10.77.0.2', hwaddr: '02:42:0a:4d:00:02', type: 'dynamic' },
  ])
  expect(await refused('DELETE', '/1.0/networks/net1')).toEqual({
    status: 400,
    error: 'The network is currently in use',
  })
  // A NIC that moves to another network lets go of its address.
  const instance = (await read('/1.0/instances/n1')) as { config: object }
  const moved = { config: instance.config, devices: {}, profiles: ['default'] }
  expect(await windlass.operate('PUT', '/1.0/instances/n1', moved)).toMatchObject({ status: 'Success', err: '' })
  expect(await read('/1.0/networks/net1/leases')).toHaveLength(1)
  expect((await windlass.call('PUT', '/1.0/networks/net1', { description: 'idle', config })).status).toBe(200)
  expect((await windlass.call('DELETE', '/1.0/networks/net1')).status).toBe(200)
  expect(await refused('DELETE', '/1.0/networks/net1')).toMatchObject({ status: 404 })
  await removeInstance('n1')
})

test('custom volumes hold files and stay while they are used', async () => {
  const volumes = '/1.0/storage-pools/default/volumes/custom'
  expect((await windlass.call('POST', volumes, { name: 'v1', config: {} })).status).toBe(200)
  expect(await refused('POST', volumes, { name: 'v1' })).toEqual({
    status: 409,
    error: 'Volume by that name already exists',
  })
  const devices = { data: { type: 'disk', pool: 'default', source: 'v1', path: '/data' } }
  expect(await create('w1', { devices, start: true })).toMatchObject({ status: 'Success' })
  expect(await read(`${volumes}/v1`)).toMatchObject({ used_by: ['/1.0/instances/w1'], type: 'custom' })
  expect(await refused('DELETE', `${volumes}/v1`)).toEqual({ status: 400, error: 'The storage volume is still in use' })
  await removeInstance('w1')
  expect((await windlass.call('POST', `${volumes}/v1`, { name: 'v2' })).status).toBe(201)
  expect((await windlass.call('DELETE', `${volumes}/v2`)).status).toBe(200)
  expect(await refused('DELETE', `${volumes}/v2`)).toEqual({ status: 404, error: 'Storage pool volume not found' })
  expect(await read('/1.0/storage-pools/default/resources')).toMatchObject({ space: { total: expect.any(Number) } })
  expect((await refused('POST', '/1.0/storage-pools', { name: 'fast', driver: 'dir' })).status).toBe(400)
})

// Without an image there is nothing to run.
const RUNS = { 'raw.docker.command': '/bin/true' }

test('projects are rooms of their own with limits, renamed and deleted when empty', async () => {
  const config = { 'limits.instances': '1' }
  expect((await windlass.call('POST', '/1.0/projects', { name: 'shop', config })).status).toBe(201)
  expect(await read('/1.0/profiles?project=shop')).toEqual(['/1.0/profiles/default?project=shop'])
  const devices = { root: { type: 'disk', path: '/', pool: 'default' } }
  const inShop = (name: string) =>
    windlass.call('POST', '/1.0/instances?project=shop', { name, source: { type: 'none' }, devices, config: RUNS })
  expect(await windlass.ended(await inShop('i1'))).toMatchObject({ status: 'Success', err: '' })
  expect(fieldOf((await inShop('i2')).body, 'error')).toMatch(/Reached maximum number of instances in project "shop"/)
  expect(await read('/1.0/projects/shop/state')).toMatchObject({ resources: { instances: { Limit: 1, Usage: 1 } } })
  expect(await refused('DELETE', '/1.0/projects/shop')).toEqual({
    status: 400,
    error: 'Only empty projects can be removed',
  })
  await windlass.operate('DELETE', '/1.0/instances/i1?project=shop')
  const renamed = await windlass.call('POST', '/1.0/projects/shop', { name: 'store' })
  // Whoever does not wait, as pylxd, finds it all the same.
  expect(await read('/1.0/projects/store')).toMatchObject({ name: 'store' })
  expect(await windlass.ended(renamed)).toMatchObject({ status: 'Success' })
  expect(await read('/1.0/profiles?project=store')).toEqual(['/1.0/profiles/default?project=store'])
  expect((await windlass.call('DELETE', '/1.0/projects/store')).status).toBe(200)
  expect(await read('/1.0/projects')).toEqual(['/1.0/projects/default', '/1.0/projects/docker'])
  expect((await refused('POST', '/1.0/projects', { name: 'docker' })).status).toBe(400)
})
