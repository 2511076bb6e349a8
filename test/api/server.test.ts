import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi, type TestApi } from '../support/api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startApi({ engine: { info: async () => INFO } })
})
afterAll(() => api[Symbol.asyncDispose]())

const INFO = {
  version: '28.5.1',
  apiVersion: '1.51',
  name: 'host1',
  kernel: '6.1.0-18-amd64',
  os: 'Debian GNU/Linux 12 (bookworm)',
  architecture: 'x86_64',
  storageDriver: 'overlay2',
  cgroupVersion: '2',
  cgroupDriver: 'systemd',
  cpus: 2,
  memoryBytes: 8_000_000_000,
  securityOptions: [],
  containersRunning: 1,
  containers: 2,
  images: 3,
  rootDir: '/var/lib/docker',
  runtimes: [],
}

test('GET / lists the versions without a token', async () => {
  expect(await api.callAs(undefined, { url: '/' })).toMatchObject({
    status: 200,
    body: {
      type: 'sync',
      status: 'Success',
      status_code: 200,
      operation: '',
      error_code: 0,
      error: '',
      metadata: ['/1.0'],
    },
  })
})

test('GET /1.0 shows a stranger the way in and nothing else', async () => {
  const { body } = await api.callAs(undefined, { url: '/1.0' })
  expect(body).toMatchObject({ metadata: { auth: 'untrusted', api_version: '1.0', public: false } })
  expect(Object.keys(Object(body).metadata).toSorted()).toEqual(
    ['api_extensions', 'api_status', 'api_version', 'auth', 'auth_methods', 'public'].toSorted(),
  )
})

test('GET /1.0 shows what the engine is', async () => {
  const { body, headers } = await api.call({ url: '/1.0' })
  expect(headers.etag).toMatch(/^".+"$/)
  expect(body).toMatchObject({
    metadata: {
      auth: 'trusted',
      config: {},
      environment: {
        server: 'windlass',
        server_version: '0.1.0',
        server_clustered: false,
        server_name: 'host1',
        driver: 'docker',
        driver_version: '28.5.1',
        kernel_version: '6.1.0-18-amd64',
        os_name: 'Debian GNU/Linux',
        os_version: '12 (bookworm)',
        storage: 'overlay2',
      },
    },
  })
})

test('GET /1.0 says the project that it was asked with', async () => {
  const ofProject = async (query: string) => {
    const { body, headers } = await api.call({ url: `/1.0${query}` })
    return [Object(body).metadata.environment.project, headers.etag]
  }
  const [, etag] = await ofProject('')
  for (const [query, project] of [
    ['', 'default'],
    ['?project=shop', 'shop'],
    ['?project=', 'default'],
    ['?project=default', 'default'],
  ] as const)
    expect(await ofProject(query), query).toEqual([project, etag])
  expect((await api.callAs(undefined, { url: '/1.0?project=shop' })).body).not.toHaveProperty('metadata.environment')
})

test('settings are replaced by PUT, merged by PATCH, and guarded by the entity tag', async () => {
  const put = (payload: object, headers = {}) => api.call({ method: 'PUT', url: '/1.0', payload, headers })
  const etagBefore = (await api.call({ url: '/1.0' })).headers.etag
  expect(await put({ config: { 'user.a': '1', 'user.b': '2' } }, { 'if-match': etagBefore })).toMatchObject({
    status: 200,
    body: { metadata: {} },
  })
  expect(await put({ config: {} }, { 'if-match': etagBefore })).toMatchObject({ status: 412 })
  expect(await api.call({ method: 'PATCH', url: '/1.0', payload: { config: { 'user.b': '' } } })).toMatchObject({
    status: 200,
  })
  expect((await api.call({ url: '/1.0' })).body).toMatchObject({ metadata: { config: { 'user.a': '1' } } })
  expect(await put({ config: { 'no.such': 'x' } })).toMatchObject({
    status: 400,
    body: { error: "cannot set 'no.such' to 'x': unknown key" },
  })
})

test('a viewer may not change settings', async () => {
  const viewer = await api.token('viewer')
  expect(await api.callAs(viewer, { method: 'PUT', url: '/1.0', payload: { config: {} } })).toMatchObject({
    status: 403,
  })
})

test('resources are those of the engine', async () => {
  expect((await api.call({ url: '/1.0/resources' })).body).toMatchObject({
    metadata: { cpu: { architecture: 'x86_64', total: 2 }, memory: { total: 8_000_000_000 } },
  })
})

test('what there is none of on Docker is an empty list', async () => {
  expect((await api.call({ url: '/1.0/virtual-machines' })).body).toMatchObject({ metadata: [] })
})
