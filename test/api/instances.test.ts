import { afterAll, beforeAll, expect, test } from 'vitest'
import { fakeInstances } from '../support/api-instances.ts'
import { startApi, type TestApi } from '../support/api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startApi({ services: fakeInstances })
})
afterAll(() => api[Symbol.asyncDispose]())

const get = async (url: string) => (await api.call({ url })).body

test('a list is URLs, objects, or objects with all that belongs to them', async () => {
  expect(await get('/1.0/instances')).toMatchObject({ metadata: ['/1.0/instances/c1', '/1.0/instances/c2'] })
  expect(await get('/1.0/instances?recursion=1')).toMatchObject({
    metadata: [
      {
        name: 'c1',
        status: 'Running',
        status_code: 103,
        type: 'container',
        project: 'default',
        location: 'none',
        expanded_config: { 'limits.cpu': '1' },
      },
      { name: 'c2', status: 'Stopped', status_code: 102 },
    ],
  })
  expect(await get('/1.0/instances?recursion=2')).toMatchObject({
    metadata: [
      { name: 'c1', state: { pid: 42, processes: 3 }, snapshots: [{ name: 's0' }], backups: null },
      { name: 'c2', state: null, snapshots: null, backups: null },
    ],
  })
})

test('recursion that is no number counts as none, more than two as two', async () => {
  expect(await get('/1.0/instances?recursion=x')).toMatchObject({
    metadata: ['/1.0/instances/c1', '/1.0/instances/c2'],
  })
  expect(await get('/1.0/instances?recursion=9')).toMatchObject({ metadata: [{ state: {} }, {}] })
})

test('the old name gives the same things their old URLs', async () => {
  expect(await get('/1.0/containers')).toMatchObject({ metadata: ['/1.0/containers/c1', '/1.0/containers/c2'] })
  expect(await get('/1.0/containers/c1')).toMatchObject({ metadata: { name: 'c1' } })
  expect(await get('/1.0/containers/c1/snapshots')).toMatchObject({ metadata: ['/1.0/containers/c1/snapshots/s0'] })
})

test.each([
  ['status eq running', ['/1.0/instances/c1']],
  ['name eq c1 or name eq c2', ['/1.0/instances/c1', '/1.0/instances/c2']],
  ['not name eq c1', ['/1.0/instances/c2']],
  ['config.image.os eq busybox and status eq Stopped', ['/1.0/instances/c2']],
  ['', ['/1.0/instances/c1', '/1.0/instances/c2']],
])('the filter "%s" chooses', async (filter, metadata) => {
  expect(await get(`/1.0/instances?filter=${encodeURIComponent(filter)}`)).toMatchObject({ metadata })
})

test('a filter that says nothing is 400', async () => {
  expect(await api.call({ url: '/1.0/instances?filter=bad' })).toMatchObject({
    status: 400,
    body: { error: 'Invalid filter: clause has no operator' },
  })
})

test('projects are apart, and can be listed together', async () => {
  expect(await get('/1.0/instances?project=shop')).toMatchObject({ metadata: ['/1.0/instances/c3?project=shop'] })
  expect(await get('/1.0/instances?project=nosuch')).toMatchObject({ metadata: [] })
  expect(await get('/1.0/instances?all-projects=true')).toMatchObject({ metadata: { length: 3 } })
  expect(await api.call({ url: '/1.0/instances?all-projects=true&project=shop' })).toMatchObject({
    status: 400,
    body: { error: 'Cannot specify a project when requesting all projects' },
  })
})

test('a token bound to a project sees nothing of the others', async () => {
  const shop = await api.token('admin', ['shop'])
  const as = (url: string) => api.callAs(shop, { url })
  expect(await as('/1.0/instances?all-projects=true')).toMatchObject({
    body: { metadata: ['/1.0/instances/c3?project=shop'] },
  })
  expect(await as('/1.0/instances')).toMatchObject({ status: 200, body: { metadata: [] } })
  expect(await as('/1.0/instances/c1')).toMatchObject({ status: 404 })
  expect(await as('/1.0/instances/c3?project=shop')).toMatchObject({ status: 200 })
})

test('an instance has an entity tag, and with recursion all that belongs to it', async () => {
  const { headers, body } = await api.call({ url: '/1.0/instances/c1?recursion=1' })
  expect(headers.etag).toMatch(/^".+"$/)
  expect(body).toMatchObject({ metadata: { name: 'c1', state: { pid: 42 }, snapshots: [{ name: 's0' }] } })
  expect(await get('/1.0/instances/c1/state')).toMatchObject({
    metadata: { status: 'Running', cpu: { usage: 5_000_000_000 } },
  })
})

test('names that lead nowhere are 404, one with a slash 400', async () => {
  expect(await api.call({ url: '/1.0/instances/bad_name' })).toMatchObject({
    status: 404,
    body: { error: 'Instance not found' },
  })
  expect(await api.call({ url: '/1.0/instances/c1%2Fs0' })).toMatchObject({
    status: 400,
    body: { error: 'Invalid instance name' },
  })
  expect(await api.call({ url: '/1.0/instances/' })).toMatchObject({ status: 404, body: { error: 'not found' } })
})

test('nothing is done here that is meant for a member of a cluster', async () => {
  const body = { name: 'elsewhere', source: { type: 'none' } }
  for (const root of ['instances', 'containers']) {
    expect(await api.call({ method: 'POST', url: `/1.0/${root}?target=other`, payload: body })).toMatchObject({
      status: 400,
      body: { error: 'Target only allowed when clustered' },
    })
  }
  expect(await api.call({ url: '/1.0/instances/c1?target=other' })).toMatchObject({
    status: 404,
    body: { error: 'Cluster member not found' },
  })
  for (const target of ['', 'none'])
    expect((await api.call({ url: `/1.0/instances?target=${target}` })).status).toBe(200)
})

test('there are no virtual machines', async () => {
  expect(await get('/1.0/instances?instance-type=virtual-machine')).toMatchObject({ metadata: [] })
})

test('metrics are Prometheus text with the names of LXD', async () => {
  const { headers, body } = await api.call({ url: '/1.0/metrics' })
  expect(headers['content-type']).toMatch(/^text\/plain/)
  expect(body).toContain('lxd_cpu_seconds_total{name="c1",project="default",type="container"} 5')
  expect(body).toContain('lxd_procs_total{name="c1",project="default",type="container"} 3')
  expect(body).toContain('lxd_memory_MemTotal_bytes{name="c1",project="default",type="container"} 4096')
  expect(body).toContain('lxd_memory_MemFree_bytes{name="c1",project="default",type="container"} 3072')
  expect(body).toMatch(/^lxd_operations_total \d/m)
  expect(body).toContain('windlass_workers{member="local"} 1')
  const shop = await api.callAs(await api.token('viewer', ['shop']), { url: '/1.0/metrics' })
  expect(shop.body).not.toContain('windlass_workers')
  expect(shop.body).not.toContain('name="c1"')
})
