import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callApi, fieldOf, type ApiAnswer } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askApi } from '../support/ask-api.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

// A project that has no images, profiles or volumes of its own has those of the project default, whichever way they are meant.

let windlass: TestWindlass
/** Of an operator who is bound to the projects `test` and `vols`. */
let token = ''
let fingerprint = ''

const SHARING = { 'features.images': 'false', 'features.profiles': 'false' }
const ROOT = { root: { type: 'disk', pool: 'default', path: '/' } }
const OWN = { 'features.images': 'true', 'features.profiles': 'true', 'features.storage.volumes': 'true' }

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0' } })
  await publishStarterImage(windlass.socket, await staticBusybox())
  await done(call('POST', '/1.0/projects', { name: 'test', config: SHARING }))
  await done(
    call('POST', '/1.0/projects', { name: 'vols', config: { ...SHARING, 'features.storage.volumes': 'false' } }),
  )
  fingerprint = String(fieldOf(await read('/1.0/images/aliases/busybox'), 'target'))
  const made = await done(
    call('POST', '/1.0/auth/tokens', { name: 'bound', role: 'operator', projects: ['test', 'vols'] }),
  )
  token = String(fieldOf(fieldOf(made.body, 'metadata'), 'token'))
}, 60_000)
afterAll(() => windlass?.[Symbol.asyncDispose]())

const call = (method: string, path: string, body?: unknown) => windlass.call(method, path, body)
const read = async (path: string) => fieldOf((await done(call('GET', path))).body, 'metadata')
const at = (path: string, project = 'test') => `${path}?project=${project}`

/** An answer that must be a good one. */
async function done(asked: Promise<ApiAnswer>): Promise<ApiAnswer> {
  const answer = await asked
  expect([answer.status < 300, answer.text]).toEqual([true, answer.text])
  return answer
}

async function operate(method: string, path: string, body?: unknown): Promise<void> {
  expect(await windlass.operate(method, path, body)).toMatchObject({ status: 'Success', err: '' })
}

async function refused(method: string, path: string, body?: unknown) {
  const { status, body: answer } = await call(method, path, body)
  return [status, fieldOf(answer, 'error')]
}

async function asBound(method: string, path: string, body?: unknown) {
  const answer = await askApi({ at: windlass.api.url ?? '', method, path, token, ...(body !== undefined && { body }) })
  return { status: answer.status, metadata: fieldOf(answer.body, 'metadata'), error: fieldOf(answer.body, 'error') }
}

const launch = (name: string, more: object = {}) =>
  operate('POST', at('/1.0/instances'), { name, source: { type: 'image', alias: 'busybox' }, ...more })

describe('a project that shares images and profiles', () => {
  test('has none of its own, and those of default are read through it', async () => {
    expect(await read('/1.0/projects/test')).toMatchObject({ config: { ...OWN, ...SHARING }, used_by: [] })
    expect(await read(at('/1.0/images'))).toEqual([`/1.0/images/${fingerprint}?project=test`])
    expect(await read(at(`/1.0/images/${fingerprint.slice(0, 12)}`))).toMatchObject({ fingerprint, project: 'default' })
    expect(await read(at('/1.0/images/aliases'))).toEqual(['/1.0/images/aliases/busybox?project=test'])
    expect(await read(at('/1.0/images/aliases/busybox'))).toMatchObject({ target: fingerprint })
    expect(await read(at('/1.0/profiles'))).toEqual(['/1.0/profiles/default?project=test'])
    expect(await read(at('/1.0/profiles/default'))).toEqual(await read('/1.0/profiles/default'))
  })

  test('takes its instances from them, and is told by them', async () => {
    await launch('c1', { start: true })
    expect(await read(at('/1.0/instances/c1'))).toMatchObject({
      status: 'Running',
      project: 'test',
      profiles: ['default'],
      expanded_devices: { eth0: { network: 'lxdbr0' }, root: { pool: 'default' } },
    })
    expect(await read(at('/1.0/instances') + '&recursion=1')).toMatchObject([
      { name: 'c1', expanded_devices: { root: { path: '/' } } },
    ])
    const user = '/1.0/instances/c1?project=test'
    expect(await read('/1.0/profiles/default')).toMatchObject({ used_by: [user] })
    expect(await read('/1.0/profiles?recursion=1')).toMatchObject([{ used_by: [user] }])
    expect(await read('/1.0/networks/lxdbr0')).toMatchObject({ used_by: [user, '/1.0/profiles/default'] })
    expect(await read('/1.0/projects/test')).toMatchObject({ used_by: [user] })
  })

  test('makes profiles for all, which change its instances and stay as long as it has them', async () => {
    const config = { 'limits.memory': '64MiB' }
    await done(call('POST', at('/1.0/profiles'), { name: 'small', config }))
    expect(await read('/1.0/profiles/small')).toMatchObject({ config, used_by: [] })
    await done(call('PATCH', at('/1.0/instances/c1'), { profiles: ['default', 'small'] }))
    const raised = { config: { 'limits.memory': '96MiB', 'environment.COLOUR': 'blue' } }
    await done(call('PATCH', '/1.0/profiles/small', raised))
    expect(await read(at('/1.0/instances/c1'))).toMatchObject({ status: 'Running', expanded_config: raised.config })
    expect(await refused('DELETE', '/1.0/profiles/small')).toEqual([400, 'Profile is currently in use'])
    await done(call('POST', at('/1.0/profiles/small'), { name: 'tiny' }))
    expect(await read(at('/1.0/instances/c1'))).toMatchObject({ profiles: ['default', 'tiny'] })
    expect(await refused('GET', '/1.0/profiles/small')).toEqual([404, 'Profile not found'])
  })

  test('its limits hold whoever changes the profile', async () => {
    await done(call('PATCH', '/1.0/projects/test', { config: { 'limits.memory': '100MiB' } }))
    expect(await refused('PATCH', '/1.0/profiles/tiny', { config: { 'limits.memory': '128MiB' } })).toEqual([
      400,
      expect.stringMatching(/Reached maximum aggregate value "100MiB" for "limits.memory" in project "test"/),
    ])
    await done(call('PATCH', '/1.0/projects/test', { config: { 'limits.memory': '' } }))
  })

  test('publishes, names and deletes images of all', async () => {
    const source = { type: 'instance', name: 'c1' }
    await operate('POST', at('/1.0/images'), { source, aliases: [{ name: 'mine' }] })
    const target = String(fieldOf(await read('/1.0/images/aliases/mine'), 'target'))
    expect(await read(`/1.0/images/${target}`)).toMatchObject({ project: 'default', aliases: [{ name: 'mine' }] })
    expect(await read('/1.0/projects/test')).toMatchObject({ used_by: ['/1.0/instances/c1?project=test'] })
    await done(call('POST', at('/1.0/images/aliases'), { name: 'other', target }))
    await done(call('PATCH', at(`/1.0/images/${target}`), { properties: { os: 'ours' } }))
    expect(await read(`/1.0/images/${target}`)).toMatchObject({ properties: { os: 'ours' } })
    await done(call('DELETE', at('/1.0/images/aliases/other')))
    await operate('POST', '/1.0/instances', { name: 'from', source: { type: 'image', alias: 'mine' } })
    await operate('DELETE', at(`/1.0/images/${target}`))
    expect(await refused('GET', '/1.0/images/aliases/mine')).toEqual([404, 'Image alias not found'])
    await operate('DELETE', '/1.0/instances/from')
  })
})

describe('who is bound to such a project', () => {
  test('sees and uses what it shares', async () => {
    expect(await asBound('GET', at('/1.0/images'))).toMatchObject({ metadata: [expect.stringContaining(fingerprint)] })
    expect(await asBound('GET', at('/1.0/profiles/default'))).toMatchObject({ status: 200 })
    const made = await asBound('POST', at('/1.0/instances'), {
      name: 'c2',
      source: { type: 'image', alias: 'busybox' },
    })
    const id = String(fieldOf(made.metadata, 'id'))
    expect(await asBound('GET', `/1.0/operations/${id}/wait?project=test`)).toMatchObject({
      metadata: { status: 'Success' },
    })
    expect(await asBound('GET', '/1.0/images')).toMatchObject({ metadata: [] })
    expect(await asBound('GET', '/1.0/profiles/default')).toMatchObject({ status: 404, error: 'Project not found' })
  })

  test('is told of no user in another project', async () => {
    await operate('POST', '/1.0/instances', { name: 'hidden', source: { type: 'none' } })
    const { metadata } = await asBound('GET', at('/1.0/profiles/default'))
    expect(metadata).toMatchObject({ used_by: ['/1.0/instances/c1?project=test', '/1.0/instances/c2?project=test'] })
    await operate('DELETE', '/1.0/instances/hidden')
  })

  test.each([
    ['PATCH', '/1.0/profiles/default', { description: 'x' }],
    ['POST', '/1.0/profiles/tiny', { name: 'x' }],
    ['DELETE', '/1.0/profiles/tiny', undefined],
    ['POST', '/1.0/profiles', { name: 'x' }],
    ['POST', '/1.0/images', { source: { type: 'instance', name: 'c2' } }],
    ['PATCH', '/1.0/images/FINGERPRINT', { public: true }],
    ['DELETE', '/1.0/images/FINGERPRINT', undefined],
    ['POST', '/1.0/images/aliases', { name: 'x', target: 'FINGERPRINT' }],
    ['DELETE', '/1.0/images/aliases/busybox', undefined],
  ])('changes nothing of it: %s %s', async (method, path, body) => {
    const given = JSON.parse(JSON.stringify({ path, body }).replaceAll('FINGERPRINT', fingerprint)) as {
      path: string
      body?: unknown
    } // what was just written
    expect(await asBound(method, at(given.path), given.body)).toMatchObject({
      status: 403,
      error: expect.stringMatching(/^not authorized: this belongs to the project "default"/),
    })
  })
})

describe('a project that shares storage volumes', () => {
  const ALL = '/1.0/storage-pools/default/volumes/custom'
  const V1 = `${ALL}/v1`
  const there = (path: string) => at(path, 'vols')
  const user = '/1.0/instances/v?project=vols'

  test('makes, lists, changes and mounts those of default', async () => {
    await done(call('POST', there(ALL), { name: 'v1' }))
    expect(await read(V1)).toMatchObject({ name: 'v1', project: 'default', used_by: [] })
    expect(await read(there(ALL))).toEqual([`${V1}?project=vols`])
    expect(await read(at(ALL))).toEqual([])
    await done(call('PATCH', there(V1), { description: 'shared' }))
    const devices = { data: { type: 'disk', pool: 'default', source: 'v1', path: '/data' } }
    const source = { type: 'image', alias: 'busybox' }
    await operate('POST', there('/1.0/instances'), { name: 'v', source, devices })
    await operate('POST', '/1.0/instances', { name: 'also', source, devices })
    expect(await read(V1)).toMatchObject({ description: 'shared', used_by: ['/1.0/instances/also', user] })
    expect(await read(`${ALL}?recursion=1`)).toMatchObject([{ used_by: ['/1.0/instances/also', user] }])
    expect(await asBound('GET', there(V1))).toMatchObject({ metadata: { used_by: [user] } })
    await operate('DELETE', '/1.0/instances/also')
    expect(await refused('DELETE', V1)).toEqual([400, 'The storage volume is still in use'])
  })

  test('snapshots, restores, copies and backs them up', async () => {
    await operate('POST', there(`${V1}/snapshots`), { name: 's0' })
    expect(await read(`${V1}/snapshots`)).toEqual([`${V1}/snapshots/s0`])
    await done(call('PUT', there(V1), { restore: 's0' }))
    await operate('POST', there(ALL), { name: 'v2', source: { type: 'copy', name: 'v1', pool: 'default' } })
    expect(await read(`${ALL}/v2/snapshots/s0`)).toMatchObject({ name: 's0' })
    await operate('POST', there(`${V1}/backups`), { name: 'b0' })
    await operate('DELETE', there(`${V1}/backups/b0`))
    await operate('POST', there(`${ALL}/v2/snapshots/s0`), { name: 's1' })
    await done(call('DELETE', there(`${ALL}/v2`)))
    expect(await read('/1.0/projects/vols')).toMatchObject({ used_by: [user] })
  })

  test.each([
    ['PATCH', V1, { description: 'x' }],
    ['DELETE', V1, undefined],
    ['POST', ALL, { name: 'x' }],
    ['POST', `${V1}/snapshots`, { name: 'x' }],
    ['DELETE', `${V1}/snapshots/s0`, undefined],
    ['POST', `${V1}/backups`, { name: 'x' }],
  ])('is no way to change them for who is bound to it: %s %s', async (method, path, body) => {
    const error = expect.stringMatching(/^not authorized: this belongs to the project "default"/)
    expect(await asBound(method, there(path), body)).toMatchObject({ status: 403, error })
  })

  test('goes without them', async () => {
    await operate('DELETE', there('/1.0/instances/v'))
    await done(call('DELETE', '/1.0/projects/vols'))
    expect(await read(ALL)).toEqual([V1, `${V1}/snapshots/s0`])
  })
})

describe('features', () => {
  test('change only while a project is empty', async () => {
    const sentence = 'Features can only be changed on empty projects'
    const change = { config: { 'features.images': 'true' } }
    expect(await refused('PATCH', '/1.0/projects/test', change)).toEqual([400, sentence])
    expect(await refused('PATCH', '/1.0/projects/default', { config: { 'features.images': 'false' } })).toEqual([
      400,
      "You can't change the features of the default project",
    ])
    // Not named they stay as they are.
    await done(call('PUT', '/1.0/projects/test', { description: 'shared', config: {} }))
    expect(await read('/1.0/projects/test')).toMatchObject({ description: 'shared', config: SHARING })
  })

  test('turned, they give a project a profile of its own and take it away', async () => {
    await done(call('POST', '/1.0/projects', { name: 'turned' }))
    expect(await read(at('/1.0/profiles/default', 'turned'))).toMatchObject({ devices: {} })
    await done(call('PATCH', '/1.0/projects/turned', { config: SHARING }))
    expect(await read('/1.0/projects/turned')).toMatchObject({ used_by: [], config: SHARING })
    expect(await read(at('/1.0/profiles/default', 'turned'))).toMatchObject({ devices: { root: { path: '/' } } })
    await done(call('PATCH', '/1.0/projects/turned', { config: OWN }))
    expect(await read(at('/1.0/profiles', 'turned'))).toEqual(['/1.0/profiles/default?project=turned'])
    expect(await read(at('/1.0/profiles/default', 'turned'))).toMatchObject({ devices: {} })
    expect(await read(at('/1.0/images', 'turned'))).toEqual([])
  })

  test('changed while something is accepted, they send it back', async () => {
    await done(call('POST', '/1.0/projects', { name: 'racing' }))
    const requests = [
      { path: '/1.0/storage-pools/default/volumes/custom', body: { name: 'v-late' }, entity: 'v-late' },
      { path: '/1.0/images', body: { source: { type: 'image', alias: 'no.test/late:1' } }, entity: 'no.test/late:1' },
      {
        path: '/1.0/instances',
        body: { name: 'i-late', source: { type: 'image', alias: 'no.test/i-late:1' } },
        entity: 'i-late',
      },
    ]
    await done(call('PATCH', at('/1.0/profiles/default', 'racing'), { devices: ROOT }))
    const points = requests.map(({ entity }) => `accept.record.before@${entity}`)
    const api = await windlass.startApi({ WINDLASS_TEST_POINT: points.join(',') })
    const asked = requests.map(({ path, body }) =>
      callApi(api.socket, { method: 'POST', path: at(path, 'racing'), body }),
    )
    await api.holds(points)
    await done(call('PATCH', '/1.0/projects/racing', { config: { ...SHARING, 'features.storage.volumes': 'false' } }))
    for (const point of points) api.letGo(point)
    const answers = await Promise.all(asked)
    expect(answers.map(({ status, body }) => [status, fieldOf(body, 'error')])).toEqual(
      requests.map(() => [409, 'The features of the project were changed by someone else meanwhile; try again']),
    )
    await done(call('DELETE', '/1.0/projects/racing'))
  })

  test('an emptied project goes, and what it has shared stays', async () => {
    await operate('PUT', at('/1.0/instances/c1/state'), { action: 'stop', force: true, timeout: 30 })
    for (const name of ['c1', 'c2']) await operate('DELETE', at(`/1.0/instances/${name}`))
    await operate('POST', '/1.0/projects/test', { name: 'again' })
    expect(await read(at('/1.0/profiles/tiny', 'again'))).toMatchObject({ name: 'tiny', used_by: [] })
    await done(call('DELETE', '/1.0/projects/again'))
    expect(await read('/1.0/profiles')).toEqual(['/1.0/profiles/default', '/1.0/profiles/tiny'])
    expect(await read('/1.0/images/aliases/busybox')).toMatchObject({ target: fingerprint })
  })
})
