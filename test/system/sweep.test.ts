import { once } from 'node:events'
import { get, request, type IncomingMessage } from 'node:http'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { engineObjects, readFileIn } from '../support/engine-objects.ts'
import { until } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { staticBusybox, tinyImageTar } from '../support/tiny-image.ts'
import { volumeImageTar } from '../support/volume-image.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

// What crashes, lost databases and other people leave behind, and what the sweep makes of it.

let windlass: TestWindlass
let socket: string

const source = { type: 'image', alias: 'busybox' }

interface Found {
  action: string
  object: string
  reason: string
  done: boolean
  error?: string
}

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
  ;({ socket } = windlass)
  await publishStarterImage(socket, await staticBusybox())
  const uploaded = await operate('POST', '/1.0/images', await volumeImageTar(windlass.engine.socket))
  await call('POST', '/1.0/images/aliases', { name: 'volume', target: uploaded.metadata?.['fingerprint'] })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

/** Of whichever API process serves now. */
const call = (method: string, path: string, body?: unknown) =>
  callApi(socket, { method, path, ...(body === undefined ? {} : { body }) })

async function operate(method: string, path: string, body?: unknown): Promise<Operation> {
  const accepted = await call(method, path, body)
  expect([accepted.status, accepted.text]).toEqual([202, expect.anything()])
  const waited = await call('GET', `${String(fieldOf(accepted.body, 'operation'))}/wait?timeout=120`)
  const ended = fieldOf(waited.body, 'metadata') as Operation // the wire's shape is checked by the API's own tests
  expect(ended).toMatchObject({ status: 'Success', err: '' })
  return ended
}

async function metadataOf(path: string): Promise<unknown> {
  return fieldOf((await call('GET', path)).body, 'metadata')
}

async function reconcile(dryRun = false): Promise<Found[]> {
  const { metadata } = await operate('POST', '/1.0/reconcile', { dry_run: dryRun })
  expect(metadata).toMatchObject({ dry_run: dryRun, more: 0 })
  return metadata?.['found'] as Found[] // as the catalogue says
}

async function ask(method: string, path: string, body?: Record<string, unknown>) {
  const answer = await askEngine(windlass.engine.socket, method, path, body)
  if (method !== 'GET') expect([path, answer.status, answer.text]).toEqual([path, expect.closeTo(202, -1), answer.text])
  return answer
}

/** Whether sweeps run by themselves: nobody leads where the test does. */
async function automatic(isOn: boolean): Promise<void> {
  const key = `${await keyPrefix()}leader:sweeper`
  await windlass.redis.command(...(isOn ? ['DEL', key] : ['SET', key, 'test']))
}

/** Ends all processes of the product, changes what Redis has, and starts them anew. */
async function withoutProcesses(change: () => Promise<void>): Promise<void> {
  const all = [windlass.api, ...windlass.workers.splice(0), ...later.splice(0)]
  for (const one of all) one.kill('SIGKILL')
  await Promise.all(all.map(({ exited }) => exited))
  await change()
  const api = await windlass.startApi()
  later.push(api)
  ;({ socket } = api)
  windlass.workers.push(await windlass.startWorker())
}
const later: { kill(signal: NodeJS.Signals): void; exited: Promise<number | null> }[] = []

async function warnings(): Promise<{ type: string; status: string; last_message: string }[]> {
  const listed = await metadataOf('/1.0/warnings?recursion=1')
  return (Array.isArray(listed) ? listed : []).filter((one) => fieldOf(one, 'status') !== 'resolved')
}

async function idOf(name: string): Promise<string> {
  return String(fieldOf(JSON.parse((await ask('GET', `/containers/${name}.lxd/json`)).text), 'Id'))
}

/** Labels as an operation would have given them. */
async function labelsOf(container: string): Promise<Record<string, string>> {
  const { text } = await ask('GET', `/containers/${container}.lxd/json`)
  return fieldOf(fieldOf(JSON.parse(text), 'Config'), 'Labels') as Record<string, string> // as the engine says
}

async function make(name: string, body: object = {}): Promise<void> {
  await operate('POST', '/1.0/instances', { name, source, ...body })
}

test('what an ended operation has left is listed by a dry run, removed by the next sweep, and nothing else is', async () => {
  await make('base', { start: true })
  await operate('POST', '/1.0/instances/base/snapshots', { name: 's0' })
  await automatic(false)
  const before = await engineObjects(windlass.engine.socket)
  const ended = { ...(await labelsOf('base')), 'windlass.uuid': randomUUID() }
  const unknown = { ...ended, 'windlass.operation': '01940000-0000-7000-8000-00000000dead' }
  await ask('POST', '/containers/create?name=left', { Image: 'windlass/empty:latest', Cmd: ['x'], Labels: ended })
  await ask('POST', '/volumes/create', { Name: 'left', Labels: { ...ended, 'windlass.role': 'volume' } })
  await ask('POST', '/volumes/create', { Name: 'strange', Labels: { ...unknown, 'windlass.role': 'volume' } })
  const network = {
    Name: 'left',
    Labels: { ...ended, 'windlass.role': 'network' },
    IPAM: { Config: [{ Subnet: '10.255.250.0/24' }] },
  }
  await ask('POST', '/networks/create', network)
  const commit = (tag: string, labels: Record<string, string>) =>
    ask('POST', `/commit?container=base.lxd${tag === '' ? '' : `&repo=windlass/${tag}`}`, { Labels: labels })
  const late = { ...ended, 'windlass.role': 'snapshot' }
  await commit('', { ...late, 'windlass.step': 'late' })
  await commit(`snapshot&tag=${late['windlass.uuid']}`, late)
  await commit(`snapshot&tag=${randomUUID()}`, { ...late, 'windlass.deployment': randomUUID() })
  // What others make of a commit of an instance says of itself what the instance's container does.
  await ask('POST', '/commit?container=base.lxd&repo=others', {})
  await ask('POST', '/containers/create?name=others', { Image: 'others' })

  const told = await reconcile(true)
  expect(told.map(({ action, object, done }) => [action, object.replaceAll(/[0-9a-f-]{12,}/g, '…'), done])).toEqual([
    ['remove', 'container left (…)', false],
    ['remove', 'volume left', false],
    ['remove', 'network left', false],
    ['remove', 'tag windlass/snapshot:…', false],
    ['remove', 'image …', false],
    ['tell', 'volume strange', false],
  ])
  expect((await ask('GET', '/containers/left/json')).status).toBe(200)
  const done = await reconcile()
  expect(done.map(({ action, object }) => [action, object])).toEqual(told.map(({ action, object }) => [action, object]))
  expect(done.filter((one) => !one.done)).toEqual([])
  await ask('DELETE', '/containers/others')
  await ask('DELETE', '/images/others')
  const after = await engineObjects(windlass.engine.socket)
  // What belongs to another deployment stays as well.
  expect(after).toEqual({
    ...before,
    volumes: { ...before.volumes, volume: (before.volumes['volume'] ?? 0) + 1 },
    tags: { ...before.tags, snapshot: (before.tags['snapshot'] ?? 0) + 1 },
  })
  expect((await ask('GET', '/networks/left')).status).toBe(404)
  expect((await reconcile()).map(({ action, object, done: again }) => [action, object, again])).toEqual([
    ['tell', 'volume strange', false],
  ])
  expect((await warnings()).map(({ type }) => type)).toEqual(['Unexplained object'])
  await ask('DELETE', '/volumes/strange')
  expect(await reconcile()).toEqual([])
  expect(await warnings()).toEqual([])
}, 90_000)

test('names and keys that are held for nobody are freed, and damaged operations ended', async () => {
  const prefix = await keyPrefix()
  const gone = '01940000-0000-7000-8000-00000000beef'
  await windlass.redis.command('HSET', `${prefix}resv:instance:default`, 'ghost', gone)
  const uuid = (await labelsOf('base'))['windlass.uuid'] ?? ''
  await windlass.redis.command('HSET', `${prefix}busy`, `instance:${uuid}`, `${gone} start`)
  await windlass.redis.command('HSET', `${prefix}use:instance:${uuid}`, gone, 'copy')
  await windlass.redis.command('SET', `${prefix}secret:${gone}`, 'x')
  expect((await call('POST', '/1.0/instances', { name: 'ghost', source })).status).toBe(409)
  const freed = (await reconcile()).map(({ action, object, done }) => [action, object, done])
  expect(freed.toSorted(([, a], [, b]) => String(a).localeCompare(String(b)))).toEqual([
    ['free', `key instance:${uuid}`, true],
    ['free', 'name ghost (instance:default)', true],
    ['free', `secret of operation ${gone}`, true],
    ['free', `use of instance:${uuid}`, true],
  ])
  await make('ghost')
  await operate('DELETE', '/1.0/instances/ghost')
  await operate('PUT', '/1.0/instances/base/state', { action: 'restart', force: true })
}, 60_000)

async function keyPrefix(): Promise<string> {
  return `{wl:${(await readFile(join(windlass.dataDir, 'deployment'), 'utf8')).trim()}}:`
}

/** As if the minute had passed in which the first of those that go on could still be heard of. */
async function silenceFirstTransfer(): Promise<void> {
  const silence = `local now = redis.call('TIME')[1] * 1000
    local heard = redis.call('ZRANGE', KEYS[1], now - 30000, '+inf', 'BYSCORE')
    return redis.call('ZADD', KEYS[1], 'CH', now - 120000, heard[1])`
  expect(await windlass.redis.command('EVAL', silence, '1', `${await keyPrefix()}transfers`)).toBe(':1')
}

test('an upload whose API process died is removed; one that goes on is not', async () => {
  const volumes = async () => (await engineObjects(windlass.engine.socket)).volumes['tarball'] ?? 0
  const containers = async () => (await engineObjects(windlass.engine.socket)).containers.length
  const [before, beside] = [await volumes(), await containers()]
  const doomed = await windlass.startApi()
  const begin = (at: string) => {
    const sent = request({
      socketPath: at,
      path: '/1.0/images',
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
    })
    sent.on('error', () => undefined)
    sent.write(Buffer.alloc(1024 * 1024))
    return sent
  }
  const dying = begin(doomed.socket)
  // Each has a volume and a container through which it is filled.
  const both = async (count: number) =>
    (await volumes()) === before + count && (await containers()) === beside + count ? true : undefined
  await until(
    20_000,
    () => both(1),
    () => new Error('The upload does not begin'),
  )
  doomed.kill('SIGKILL')
  await doomed.exited
  dying.destroy()
  const living = begin(socket)
  await until(
    20_000,
    () => both(2),
    () => new Error('The other upload does not begin'),
  )
  await silenceFirstTransfer()
  const swept = (await reconcile()).filter(({ action }) => action === 'remove')
  expect(swept.map(({ object }) => object.split(' ')[0])).toEqual(['container', 'volume'])
  expect(await volumes()).toBe(before + 1)
  living.destroy()
  await until(
    20_000,
    () => both(0),
    () => new Error('An upload that was given up stays'),
  )
}, 90_000)

test('what an API process that died was reading through is removed; what is being read is not', async () => {
  const containers = async () => (await engineObjects(windlass.engine.socket)).containers.length
  const tar = Buffer.concat([await tinyImageTar(), randomBytes(4 * 1024 * 1024)])
  const { metadata } = await operate('POST', '/1.0/images', tar)
  const path = `/1.0/images/${String(metadata?.['fingerprint'])}`
  const before = await containers()
  const doomed = await windlass.startApi()
  const begin = async (at: string) => {
    const asked = get({ socketPath: at, path: `${path}/export` })
    asked.on('error', () => undefined)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    expect(answer.statusCode).toBe(200)
    // Nobody reads it: the engine is not done with it.
    return answer.on('error', () => undefined)
  }
  await begin(doomed.socket)
  expect(await containers()).toBe(before + 1)
  doomed.kill('SIGKILL')
  await doomed.exited
  await silenceFirstTransfer()
  const living = await begin(socket)
  const swept = (await reconcile()).filter(({ action }) => action === 'remove')
  expect(swept.map(({ object }) => object.split(' ')[0])).toEqual(['container'])
  expect(await containers()).toBe(before + 1)
  living.destroy()
  await until(
    20_000,
    async () => ((await containers()) === before ? true : undefined),
    () => new Error('A reading that was given up leaves its container'),
  )
  await operate('DELETE', path)
}, 90_000)

test('records that a Redis has lost are rebuilt from labels, and what they are about works as before', async () => {
  await call('POST', '/1.0/projects', { name: 'shop', config: {} })
  await operate('POST', '/1.0/instances', {
    name: 'r1',
    source: { type: 'image', alias: 'volume' },
    start: true,
    config: { 'user.colour': 'blue' },
  })
  await operate('POST', '/1.0/instances/r1/exec', {
    command: ['sh', '-c', 'echo kept > /root/note; echo kept > /data/note'],
    'record-output': true,
  })
  await operate('POST', '/1.0/instances/r1/snapshots', { name: 's1' })
  await operate('PUT', '/1.0/instances/r1', { restore: 's1' })
  await make('r2')
  await operate('POST', '/1.0/instances/r2', { name: 'r3' })
  const custom = '/1.0/storage-pools/default/volumes/custom'
  expect((await call('POST', custom, { name: 'v1', config: {} })).status).toBe(200)
  await operate('POST', `${custom}/v1/snapshots`, { name: 's0', description: 'kept' })
  await operate('POST', `${custom}/v1/backups`, { name: 'b0' })
  const tar = Buffer.concat([await tinyImageTar(), Buffer.alloc(4096)])
  const imported = await operate('POST', '/1.0/images', tar)
  const fingerprint = String(imported.metadata?.['fingerprint'])
  const before = await engineObjects(windlass.engine.socket)
  const id = await idOf('r1')
  const addresses = await Promise.all(['base', 'r1', 'r3'].map(addressOf))

  await withoutProcesses(async () => void (await windlass.redis.command('FLUSHALL')))
  const isBack = async () => ((await call('GET', '/1.0/instances/r1/snapshots/s1')).status === 200 ? true : undefined)
  await until(60_000, isBack, () => new Error(`r1 does not come back`))

  expect(await engineObjects(windlass.engine.socket)).toEqual(before)
  expect(await idOf('r1')).toBe(id)
  expect(await metadataOf('/1.0/instances')).toEqual(['base', 'r1', 'r3'].map((name) => `/1.0/instances/${name}`))
  expect(await metadataOf('/1.0/instances/r1')).toMatchObject({ status: 'Running', config: { 'user.colour': 'blue' } })
  expect(await metadataOf('/1.0/instances/r3')).toMatchObject({ status: 'Stopped' })
  expect(await metadataOf(custom)).toEqual([`${custom}/v1`, `${custom}/v1/snapshots/s0`])
  expect(await metadataOf(`${custom}/v1/snapshots/s0`)).toMatchObject({ description: 'kept' })
  expect(await metadataOf(`${custom}/v1/backups`)).toEqual([`${custom}/v1/backups/b0`])
  expect((await call('GET', `/1.0/images/${fingerprint}`)).status).toBe(200)
  expect((await warnings()).map(({ type }) => type)).toContain('Record rebuilt')
  expect(await reconcile(true)).toEqual([])

  // The same bridge, and addresses that are not given twice.
  const { text } = await ask('GET', '/networks')
  expect(text.match(/"Name":"lxdbr0/g)).toHaveLength(1)
  await operate('POST', '/1.0/instances', { name: 'r4', source: { type: 'image', fingerprint }, start: true })
  expect(addresses).not.toContain(await addressOf('r4'))
  await operate('POST', '/1.0/instances/r1/exec', {
    command: ['sh', '-c', 'echo new > /root/note; echo new > /data/note'],
    'record-output': true,
  })
  await operate('PUT', '/1.0/instances/r1', { restore: 's1' })
  expect([
    await readFileIn(windlass.engine.socket, 'r1.lxd', '/root/note'),
    await readFileIn(windlass.engine.socket, 'r1.lxd', '/data/note'),
  ]).toEqual(['kept\n', 'kept\n'])
  for (const name of ['base', 'r1', 'r3', 'r4']) {
    await operate('PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true }).catch(() => undefined)
    await operate('DELETE', `/1.0/instances/${name}`)
  }
  expect((await engineObjects(windlass.engine.socket)).containers).toEqual([])
  expect((await reconcile(true)).filter(({ action }) => action !== 'tell')).toEqual([])
}, 180_000)

async function addressOf(name: string): Promise<string> {
  const { text } = await ask('GET', `/containers/${name}.lxd/json`)
  const networks = Object(fieldOf(fieldOf(JSON.parse(text), 'NetworkSettings'), 'Networks'))
  const [network] = Object.values(networks)
  return String(fieldOf(network, 'IPAddress') || fieldOf(fieldOf(network, 'IPAMConfig'), 'IPv4Address'))
}

test('a Redis that was put back to an earlier day learns what has happened since', async () => {
  await publishStarterImage(socket, await staticBusybox())
  for (const name of ['o-kept', 'o-restored', 'o-deleted']) await make(name, { start: true })
  await operate('POST', '/1.0/instances/o-restored/snapshots', { name: 's0' })
  const saved = join(await mkdtemp(join(tmpdir(), 'windlass-test-')), 'saved')
  const data = join(windlass.redis.directory, 'appendonlydir')
  await cp(data, saved, { recursive: true })
  await operate('PUT', '/1.0/instances/o-restored', { restore: 's0' })
  await operate('PUT', '/1.0/instances/o-deleted/state', { action: 'stop', force: true })
  await operate('DELETE', '/1.0/instances/o-deleted')
  await make('o-new', { start: true, config: { 'user.day': 'later' } })
  const before = await engineObjects(windlass.engine.socket)
  await withoutProcesses(async () => {
    await windlass.redis.kill()
    await rm(data, { recursive: true })
    await cp(saved, data, { recursive: true })
    await windlass.redis.restart()
  })
  await rm(dirname(saved), { recursive: true })
  const isKnown = async () => ((await call('GET', '/1.0/instances/o-new')).status === 200 ? true : undefined)
  await until(60_000, isKnown, () => new Error('o-new does not come back'))
  expect(await engineObjects(windlass.engine.socket)).toEqual(before)
  expect(await metadataOf('/1.0/instances/o-new')).toMatchObject({ status: 'Running', config: { 'user.day': 'later' } })
  expect(await metadataOf('/1.0/instances/o-restored')).toMatchObject({ status: 'Running' })
  await operate('PUT', '/1.0/instances/o-restored', { restore: 's0' })
  await operate('PUT', '/1.0/instances/o-kept/state', { action: 'restart', force: true })
  expect((await warnings()).map(({ last_message }) => last_message).join()).toContain(
    'The container of instance "o-deleted" is gone',
  )
  await operate('DELETE', '/1.0/instances/o-deleted')
  expect((await reconcile()).filter(({ action }) => action !== 'tell')).toEqual([])
  expect((await engineObjects(windlass.engine.socket)).containers).toEqual([
    'o-kept.lxd',
    'o-new.lxd',
    'o-restored.lxd',
  ])
}, 180_000)

test('a second deployment on the same engine touches nothing of the first, nor the first of the second', async () => {
  await using redis = await startRedis({ appendfsync: 'everysec' })
  const dataDir = await mkdtemp(join(tmpdir(), 'windlass-test-'))
  const env = { WINDLASS_DATA_DIR: dataDir, REDIS_URL: `unix://${redis.socket}` }
  const [api, worker] = [await windlass.startApi(env), await windlass.startWorker(env)]
  const first = socket
  try {
    socket = api.socket
    await publishStarterImage(socket, await staticBusybox())
    await make('two', { start: true })
    await operate('POST', '/1.0/instances/two/snapshots', { name: 's0' })
    const before = await engineObjects(windlass.engine.socket)
    expect(before.containers).toContain('o-kept.lxd')
    for (const at of [first, api.socket]) {
      socket = at
      expect((await reconcile()).filter(({ action }) => action !== 'tell')).toEqual([])
    }
    expect(await engineObjects(windlass.engine.socket)).toEqual(before)
    expect(await metadataOf('/1.0/instances')).toEqual(['/1.0/instances/two'])
  } finally {
    socket = first
    for (const one of [api, worker]) one.kill('SIGKILL')
    await Promise.all([api.exited, worker.exited])
    await rm(dataDir, { recursive: true, force: true })
  }
}, 120_000)
