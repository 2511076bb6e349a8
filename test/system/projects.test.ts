import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRedis } from '../../src/redis/connection.ts'
import { makeKeys } from '../../src/redis/keys.ts'
import { createRedisRecordStore } from '../../src/redis/record-store.ts'
import { callApi, fieldOf, type ApiAnswer } from '../../src/setup/api-client.ts'
import { engineObjects } from '../support/engine-objects.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

// What a project may have is decided when a request is accepted, whoever else asks at the same time, of any API process.

const BACK = 'snapshot.restore.container.before@back'
const LATE = 'instance.create.look.before@late'
const BEHIND = 'instance.create.look.before@behind'
const COMING = 'accept.record.before@coming'
const RENAME = 'accept.record.before@moving'
const RENAMED = 'project.rename.check.before@moved'
const SLOW = 'instance.create.look.before@slow'
const IMPORT = 'image.import.import.before'
const POINTS = [LATE, BACK, BEHIND, COMING, RENAME, RENAMED, SLOW, IMPORT]

let windlass: TestWindlass
let sockets: string[]

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_TEST_POINT: POINTS.join(',') } })
  sockets = [windlass.socket, (await windlass.startApi()).socket]
})
afterAll(() => windlass?.[Symbol.asyncDispose]())

const call = (method: string, path: string, body?: unknown) => windlass.call(method, path, body)
const errorOf = ({ body }: ApiAnswer) => fieldOf(body, 'error')
const metadataOf = async (path: string) => fieldOf((await call('GET', path)).body, 'metadata')

const root = { root: { type: 'disk', path: '/', pool: 'default' } }
const empty = (name: string, config: Record<string, string> = {}, devices: object = root) => ({
  name,
  source: { type: 'none' },
  config,
  devices,
})

async function makeProject(name: string, config: Record<string, string>): Promise<void> {
  const made = await call('POST', '/1.0/projects', { name, config })
  expect([made.status, made.text]).toEqual([201, expect.anything()])
}

/** All at the same time, in turn at each of the API processes; the accepted ones, ended, and the others. */
async function crowd(requests: { method: string; path: string; body: unknown }[]) {
  const answers = await Promise.all(requests.map((request, at) => callApi(sockets[at % sockets.length] ?? '', request)))
  const accepted = answers.filter(({ status }) => status === 202)
  for (const ended of await Promise.all(accepted.map((answer) => windlass.ended(answer))))
    expect(ended).toMatchObject({ status: 'Success', err: '' })
  return { accepted, refused: answers.filter(({ status }) => status !== 202) }
}

const creations = (project: string, count: number, config: Record<string, string> = {}) =>
  Array.from({ length: count }, (_, at) => ({
    method: 'POST',
    path: `/1.0/instances?project=${project}`,
    body: empty(`c${at}`, config),
  }))

describe('limits', () => {
  test('of 20 instances asked for at once a project takes exactly as many as it may have', async () => {
    await makeProject('five', { 'limits.instances': '5' })
    const { accepted, refused } = await crowd(creations('five', 20))
    expect(accepted).toHaveLength(5)
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([400]))
    expect(new Set(refused.map(errorOf))).toEqual(
      new Set(['Failed checking if instance creation allowed: Reached maximum number of instances in project "five"']),
    )
    expect(await metadataOf('/1.0/instances?project=five')).toHaveLength(5)
    expect(await metadataOf('/1.0/projects/five/state')).toMatchObject({
      resources: { instances: { Limit: 5, Usage: 5 }, containers: { Limit: -1, Usage: 5 } },
    })
    expect(errorOf(await call('PATCH', '/1.0/projects/five', { config: { 'limits.instances': '4' } }))).toMatch(
      /"limits.instances" is too low: there currently are 5 instances/,
    )
  })

  test('room that a deletion has made is taken once', async () => {
    const [first] = (await metadataOf('/1.0/instances?project=five')) as string[] // a list of URLs
    expect(await windlass.operate('DELETE', `${first}`)).toMatchObject({ status: 'Success' })
    const more = creations('five', 6).map((one, at) => ({ ...one, body: empty(`more${at}`) }))
    expect((await crowd(more)).accepted).toHaveLength(1)
  })

  test('memory, CPUs and processes add up, in instances that are made and in those that are changed', async () => {
    await makeProject('sums', { 'limits.memory': '100MiB', 'limits.cpu': '8', 'limits.processes': '1000' })
    const config = { 'limits.memory': '30MiB', 'limits.cpu': '1', 'limits.processes': '100' }
    const { accepted } = await crowd(creations('sums', 8, config))
    expect(accepted).toHaveLength(3)
    expect(await metadataOf('/1.0/projects/sums/state')).toMatchObject({
      resources: {
        memory: { Limit: 100 * 2 ** 20, Usage: 90 * 2 ** 20 },
        cpu: { Limit: 8, Usage: 3 },
        processes: { Limit: 1000, Usage: 300 },
      },
    })
    const names = ((await metadataOf('/1.0/instances?project=sums&recursion=1')) as { name: string }[]).map(
      ({ name }) => name,
    )
    const changes = names.map((name) => ({
      method: 'PUT',
      path: `/1.0/instances/${name}?project=sums`,
      body: { config: { ...config, 'limits.memory': '40MiB' }, devices: root, profiles: ['default'] },
    }))
    const changed = await crowd(changes)
    expect(changed.accepted).toHaveLength(1)
    expect(errorOf(changed.refused[0] ?? { status: 0, text: '', body: {}, headers: {} })).toMatch(
      /Reached maximum aggregate value "100MiB" for "limits.memory" in project "sums"/,
    )
    expect(errorOf(await call('POST', '/1.0/instances?project=sums', empty('bare')))).toMatch(
      /Instance "bare" in project "sums" has no "limits.cpu" config/,
    )
  })

  test('a profile cannot lift its instances over a limit', async () => {
    await makeProject('lifted', { 'limits.processes': '50' })
    await call('PATCH', '/1.0/profiles/default?project=lifted', { config: { 'limits.processes': '20' } })
    expect((await crowd(creations('lifted', 4))).accepted).toHaveLength(2)
    const lifted = await call('PATCH', '/1.0/profiles/default?project=lifted', { config: { 'limits.processes': '30' } })
    expect([lifted.status, errorOf(lifted)]).toEqual([
      400,
      expect.stringMatching(/Reached maximum aggregate value "50" for "limits.processes"/),
    ])
  })

  test('what a restore under way brings back counts already', async () => {
    await makeProject('back', { 'limits.memory': '200MiB' })
    const at = (path: string) => `${path}?project=back`
    await windlass.operate('POST', at('/1.0/instances'), empty('back', { 'limits.memory': '150MiB' }))
    await windlass.operate('POST', at('/1.0/instances/back/snapshots'), { name: 's0' })
    await call('PATCH', at('/1.0/instances/back'), { config: { 'limits.memory': '50MiB' } })
    const restoring = await call('PUT', at('/1.0/instances/back'), { restore: 's0' })
    const [worker] = windlass.workers
    await worker?.holds([BACK])
    const refused = await call('POST', at('/1.0/instances'), empty('second', { 'limits.memory': '100MiB' }))
    expect([refused.status, errorOf(refused)]).toEqual([400, expect.stringContaining('limits.memory')])
    worker?.letGo(BACK)
    expect(await windlass.ended(restoring)).toMatchObject({ status: 'Success', err: '' })
  })

  test('whoever was on the way into a project when it got a limit is refused by it', async () => {
    await makeProject('closing', {})
    const coming = call('POST', '/1.0/instances?project=closing', empty('coming'))
    await windlass.api.holds([COMING])
    expect((await call('PATCH', '/1.0/projects/closing', { config: { 'limits.instances': '0' } })).status).toBe(200)
    windlass.api.letGo(COMING)
    expect([(await coming).status, errorOf(await coming)]).toEqual([
      400,
      expect.stringContaining('Reached maximum number of instances in project "closing"'),
    ])
  })

  test('networks are counted in the project default', async () => {
    const before = ((await metadataOf('/1.0/networks')) as string[]).length
    await call('PATCH', '/1.0/projects/default', { config: { 'limits.networks': String(before + 1) } })
    const answers = await Promise.all(
      ['na', 'nb', 'nc'].map((name, at) =>
        callApi(sockets[at % 2] ?? '', { method: 'POST', path: '/1.0/networks', body: { name } }),
      ),
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 400, 400])
    expect(answers.map(errorOf)).toContain('Reached maximum number of networks in project "default"')
    expect(await metadataOf('/1.0/projects/default/state')).toMatchObject({
      resources: { networks: { Limit: before + 1, Usage: before + 1 } },
    })
    await call('PATCH', '/1.0/projects/default', { config: { 'limits.networks': '' } })
  })
})

describe('restrictions', () => {
  const create = (config: Record<string, string>, devices: object = root, name = 'r1') =>
    call('POST', '/1.0/instances?project=tight', empty(name, config, devices))
  const allow = (config: Record<string, string>) => call('PATCH', '/1.0/projects/tight', { config })

  beforeAll(() => makeProject('tight', { restricted: 'true' }))

  test.each([
    [{ 'security.privileged': 'true' }, {}, 'Privileged containers are forbidden'],
    [{ 'security.nesting': 'true' }, {}, 'Container nesting is forbidden'],
    [{ 'raw.docker.nameservers': '9.9.9.9' }, {}, 'Low-level settings are forbidden'],
    [
      {},
      { web: { type: 'proxy', listen: 'tcp:127.0.0.1:18080', connect: 'tcp:127.0.0.1:80' } },
      'Proxy devices are forbidden',
    ],
    [{}, { host: { type: 'disk', source: '/srv', path: '/srv' } }, 'not of a storage pool'],
  ])('a restricted project does not take %j %j', async (config, devices, text) => {
    const refused = await create(config, { ...root, ...devices })
    expect([refused.status, errorOf(refused)]).toEqual([400, expect.stringContaining(text)])
    expect(await metadataOf('/1.0/instances?project=tight')).toEqual([])
  })

  test('what is allowed is taken, also later, and cannot be forbidden as long as somebody has it', async () => {
    await allow({ 'restricted.containers.nesting': 'allow' })
    expect(await windlass.ended(await create({ 'security.nesting': 'true' }))).toMatchObject({ status: 'Success' })
    const forbidden = await allow({ 'restricted.containers.nesting': 'block' })
    expect([forbidden.status, errorOf(forbidden)]).toEqual([
      400,
      expect.stringMatching(/Instance "r1" in project "tight" would not be allowed: .*nesting is forbidden/),
    ])
    await allow({ 'restricted.devices.disk': 'allow', 'restricted.devices.disk.paths': '/srv/data,/opt' })
    const changed = (source: string) =>
      call('PATCH', '/1.0/instances/r1?project=tight', { devices: { host: { type: 'disk', source, path: '/h' } } })
    expect(errorOf(await changed('/srv'))).toMatch(/The path "\/srv" is forbidden/)
    expect(errorOf(await changed('/srv/data-of-others'))).toMatch(/is forbidden/)
    expect((await changed('/opt')).status).toBe(200)
  })

  test('a profile cannot bring what is forbidden, nor a snapshot be made unless that is allowed', async () => {
    const profile = await call('PATCH', '/1.0/profiles/default?project=tight', {
      config: { 'security.privileged': 'true' },
    })
    expect([profile.status, errorOf(profile)]).toEqual([
      400,
      expect.stringMatching(/does not allow instance "r1": .*Privileged containers are forbidden/),
    ])
    const refused = await call('POST', '/1.0/instances/r1/snapshots?project=tight', { name: 's0' })
    expect([refused.status, errorOf(refused)]).toEqual([403, `Project "tight" doesn't allow for snapshot creation`])
    await allow({ 'restricted.snapshots': 'allow' })
    expect(await windlass.operate('POST', '/1.0/instances/r1/snapshots?project=tight', { name: 's0' })).toMatchObject({
      status: 'Success',
    })
  })

  test('a profile cannot bring it to an instance that is being made either', async () => {
    await makeProject('late', { restricted: 'true', 'limits.processes': '50' })
    const at = '/1.0/profiles/p?project=late'
    await call('POST', '/1.0/profiles?project=late', { name: 'p', config: { 'limits.processes': '20' } })
    const body = { ...empty('late'), profiles: ['p'] }
    const accepted = await call('POST', '/1.0/instances?project=late', body)
    const [worker] = windlass.workers
    await worker?.holds([LATE])
    const devices = { web: { type: 'proxy', listen: 'tcp:127.0.0.1:18099', connect: 'tcp:127.0.0.1:80' } }
    expect(errorOf(await call('PATCH', at, { devices }))).toMatch(/does not allow instance "late": .*forbidden/)
    expect(errorOf(await call('PATCH', at, { config: { 'limits.processes': '60' } }))).toMatch(
      /Reached maximum aggregate value "50" for "limits.processes"/,
    )
    const allowed = { config: { 'limits.processes': '40' } }
    expect(errorOf(await call('PATCH', at, allowed))).toBe('Profile is busy running a "create" operation')
    worker?.letGo(LATE)
    expect(await windlass.ended(accepted)).toMatchObject({ status: 'Success', err: '' })
    expect((await call('PATCH', at, allowed)).status).toBe(200)
  })

  test('the worker that makes an instance refuses what is forbidden, however its profile has come to say it', async () => {
    await makeProject('behind', { restricted: 'true' })
    await call('POST', '/1.0/profiles?project=behind', { name: 'p' })
    const body = { ...empty('behind'), profiles: ['p'] }
    const accepted = await call('POST', '/1.0/instances?project=behind', body)
    const [worker] = windlass.workers
    await worker?.holds([BEHIND])
    await writePast('behind', 'p', { 'security.privileged': 'true' })
    worker?.letGo(BEHIND)
    expect(await windlass.ended(accepted)).toMatchObject({
      status: 'Failure',
      err: 'Invalid value "true" for config "security.privileged": Privileged containers are forbidden',
    })
    expect(await metadataOf('/1.0/instances?project=behind')).toEqual([])
    expect((await engineObjects(windlass.engine.socket)).containers).not.toContainEqual(expect.stringMatching(/^op-/))
  })

  /** Past the API, which would refuse it. */
  async function writePast(project: string, name: string, config: Record<string, string>): Promise<void> {
    const deployment = (await readFile(join(windlass.dataDir, 'deployment'), 'utf8')).trim()
    const connection = openRedis({ path: windlass.redis.socket, role: 'api', onError: () => undefined })
    await connection.ready(5_000)
    const records = createRedisRecordStore({ connection, keys: makeKeys(deployment) })
    const profile = await records.find('profile', project, name)
    if (profile === undefined) throw new Error(`There is no profile ${name}`)
    const changes = [{ change: 'put', noun: 'profile', record: { ...profile, config } } as const]
    expect(await records.write({ changes, at: Date.now() })).toEqual({ outcome: 'written' })
    connection.close()
  }

  test('only some networks may be used', async () => {
    await allow({ 'restricted.networks.access': 'other' })
    const nic = { eth0: { type: 'nic', network: 'lxdbr0', name: 'eth0' } }
    expect(errorOf(await create({}, { ...root, ...nic }, 'r2'))).toMatch(
      /The network "lxdbr0" is not allowed in this project/,
    )
    await allow({ 'restricted.networks.access': 'lxdbr0, other' })
    expect(await windlass.ended(await create({}, { ...root, ...nic }, 'r2'))).toMatchObject({ status: 'Success' })
  })
})

describe('a project gets another name', () => {
  const worker = () => windlass.workers[0]
  const create = (project: string, name: string) => call('POST', `/1.0/instances?project=${project}`, empty(name))
  const namesIn = async (project: string) =>
    ((await metadataOf(`/1.0/instances?project=${project}`)) as string[]).map((url) => /[^/?]+(?=\?)/.exec(url)?.[0])

  test('not while an image is made in it', async () => {
    await makeProject('gallery', {})
    const sent = await call('POST', '/1.0/images?project=gallery', await tinyImageTar())
    await worker()?.holds([IMPORT])
    const refused = await call('POST', '/1.0/projects/gallery', { name: 'museum' })
    expect([refused.status, errorOf(refused)]).toEqual([400, 'Only empty projects can be renamed'])
    worker()?.letGo(IMPORT)
    expect(await windlass.ended(sent)).toMatchObject({ status: 'Success', err: '' })
    expect(await metadataOf('/1.0/images?project=gallery')).toHaveLength(1)
  })

  test('not when an instance has begun to be made since it was found empty', async () => {
    await makeProject('moving', {})
    const renaming = call('POST', '/1.0/projects/moving', { name: 'gone' })
    await windlass.api.holds([RENAME])
    const created = await create('moving', 'c1')
    windlass.api.letGo(RENAME)
    expect([(await renaming).status, errorOf(await renaming)]).toEqual([
      409,
      expect.stringMatching(/project was changed/),
    ])
    expect(await windlass.ended(created)).toMatchObject({ status: 'Success', err: '' })
    expect(await namesIn('moving')).toEqual(['c1'])
  })

  test('not when an instance is being made since its renaming was accepted', async () => {
    await makeProject('moved', {})
    const renaming = await call('POST', '/1.0/projects/moved', { name: 'gone' })
    await worker()?.holds([RENAMED])
    const created = await create('moved', 'slow')
    worker()?.letGo(RENAMED)
    expect(await windlass.ended(renaming)).toMatchObject({
      status: 'Failure',
      err: expect.stringMatching(/only empty projects can be renamed/),
    })
    await worker()?.holds([SLOW])
    worker()?.letGo(SLOW)
    expect(await windlass.ended(created)).toMatchObject({ status: 'Success', err: '' })
    expect(await namesIn('moved')).toEqual(['slow'])
  })

  test('when it is empty, and is used under that one', async () => {
    await makeProject('before', {})
    expect(await windlass.operate('POST', '/1.0/projects/before', { name: 'after' })).toMatchObject({
      status: 'Success',
    })
    expect(await windlass.ended(await create('after', 'c1'))).toMatchObject({ status: 'Success', err: '' })
    expect((await call('GET', '/1.0/projects/before')).status).toBe(404)
  })
})
