import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { engineObjects } from '../support/engine-objects.ts'
import { until } from '../support/processes.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

// Schedules of instances and volumes are kept by whichever process takes a tick; here one comes every second, in two processes.

const source = { type: 'image', alias: 'busybox' }

let windlass: TestWindlass

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_TEST_TICK: '* * * * * *' } })
  await windlass.startApi()
  await publishStarterImage(windlass.socket, '/bin/busybox')
})
afterAll(() => windlass?.[Symbol.asyncDispose]())

async function create(name: string, config: Record<string, string>, start = true): Promise<void> {
  const ended = await windlass.operate('POST', '/1.0/instances', { name, source, start, config })
  expect(ended).toMatchObject({ status: 'Success' })
}

interface Shown {
  name: string
  created_at: string
  expires_at: string
}

async function snapshotsOf(name: string): Promise<Shown[]> {
  const { body } = await windlass.call('GET', `/1.0/instances/${name}/snapshots?recursion=1`)
  return fieldOf(body, 'metadata') as Shown[] // the wire's shape is checked by the API's own tests
}

async function has(name: string, isEnough: (snapshots: Shown[]) => boolean): Promise<Shown[]> {
  const look = async () => {
    const found = await snapshotsOf(name)
    return isEnough(found) ? found : undefined
  }
  return until(30_000, look, () => new Error(`${name} does not get the snapshots it should have`))
}

/** Another tick has been done in whole when an expired snapshot is gone that was made after this call. */
async function aTickLater(name: string): Promise<void> {
  const over = { name: 'over', expires_at: new Date(Date.now() + 100).toISOString() }
  expect(await windlass.operate('POST', `/1.0/instances/${name}/snapshots`, over)).toMatchObject({ status: 'Success' })
  await has(name, (found) => !found.some((one) => one.name === 'over'))
}

const minuteOf = ({ created_at: at }: Shown) => at.slice(0, 16)

test('an instance gets one snapshot for each minute of its schedule, however many ticks come, named and expiring as it says', async () => {
  await create('idle', {})
  await create('busy', {
    'snapshots.schedule': '* * * * *',
    'snapshots.expiry': '3d 2H',
    'snapshots.pattern': "at-{{ creation_date|date:'2006-01-02' }}-%d",
  })
  const [first] = await has('busy', (found) => found.length > 0)
  await aTickLater('idle')
  await aTickLater('idle')
  const found = await snapshotsOf('busy')
  expect(new Set(found.map(minuteOf)).size).toBe(found.length)
  const created = new Date(first?.created_at ?? '')
  expect(first?.name).toBe(`at-${created.toISOString().slice(0, 10)}-0`)
  expect(Date.parse(first?.expires_at ?? '') - created.getTime()).toBe((3 * 24 + 2) * 3_600_000)
  const history = await windlass.call('GET', `/1.0/operations?history=true&instance=busy`)
  const made = (fieldOf(fieldOf(history.body, 'metadata'), 'operations') as unknown[]).filter(
    (one) => fieldOf(fieldOf(one, 'windlass'), 'kind') === 'snapshot.create',
  )
  expect(made.length).toBe(found.length)
  expect(fieldOf(fieldOf(made[0], 'windlass'), 'requestor')).toMatchObject({ username: 'windlass' })
})

test('a stopped instance gets snapshots only where it says so, and none by a schedule that is not due', async () => {
  await create('stopped', { 'snapshots.schedule': '* * * * *' }, false)
  await create('asked', { 'snapshots.schedule': '* * * * *', 'snapshots.schedule.stopped': 'true' }, false)
  await create('never', { 'snapshots.schedule': '@never' })
  await has('asked', (found) => found.length > 0)
  await aTickLater('idle')
  expect(await snapshotsOf('stopped')).toEqual([])
  expect(await snapshotsOf('never')).toEqual([])
})

test('a schedule may come from a profile, and @startup makes a snapshot of each start', async () => {
  await windlass.call('POST', '/1.0/profiles', { name: 'kept', config: { 'snapshots.schedule': '@startup' } })
  const made = await windlass.operate('POST', '/1.0/instances', {
    name: 'boots',
    source,
    start: true,
    profiles: ['default', 'kept'],
  })
  expect(made).toMatchObject({ status: 'Success' })
  await has('boots', (found) => found.length === 1)
  await windlass.operate('PUT', '/1.0/instances/boots/state', { action: 'restart', force: true })
  await has('boots', (found) => found.length === 2)
  await aTickLater('idle')
  expect(await snapshotsOf('boots')).toHaveLength(2)
})

test('a backup that has expired goes with its tarball, and no other one', async () => {
  await create('packed', {}, false)
  const at = '/1.0/instances/packed/backups'
  const make = (name: string, body: object) => windlass.operate('POST', at, { name, ...body })
  expect(await make('kept', { expires_at: '2040-01-01T00:00:00Z' })).toMatchObject({ status: 'Success' })
  const over = { expires_at: new Date(Date.now() + 100).toISOString() }
  expect(await make('over', over)).toMatchObject({ status: 'Success' })
  const isGone = async () => {
    const { body } = await windlass.call('GET', at)
    return JSON.stringify(fieldOf(body, 'metadata')) === JSON.stringify([`${at}/kept`]) ? true : undefined
  }
  await until(30_000, isGone, () => new Error('The backup does not go'))
  expect((await engineObjects(windlass.engine.socket)).volumes['backup']).toBe(1)
})

test('a custom volume gets snapshots by its schedule, and loses those that have expired', async () => {
  const pool = '/1.0/storage-pools/default/volumes/custom'
  const config = { 'snapshots.schedule': '* * * * *', 'snapshots.pattern': 'at-%d', 'snapshots.expiry': '1d' }
  await windlass.call('POST', pool, { name: 'kept', config })
  const over = { name: 'over', expires_at: new Date(Date.now() + 100).toISOString() }
  expect(await windlass.operate('POST', `${pool}/kept/snapshots`, over)).toMatchObject({ status: 'Success' })
  const look = async () => {
    const { body } = await windlass.call('GET', `${pool}/kept/snapshots?recursion=1`)
    const found = fieldOf(body, 'metadata') as Shown[] // the wire's shape is checked by the API's own tests
    return found.length > 0 && found.every(({ name }) => name !== 'kept/over') ? found : undefined
  }
  const [first] = await until(30_000, look, () => new Error('The volume does not get the snapshots it should have'))
  expect(first).toMatchObject({ name: 'kept/at-0', expires_at: expect.stringMatching(/^20/) })
})

test('a wrong schedule is refused', async () => {
  const body = { name: 'wrong', source, config: { 'snapshots.schedule': '* * * *' } }
  expect(await windlass.call('POST', '/1.0/instances', body)).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining('Schedule must be of the form') },
  })
})

test('an image is removed when its time is over', async () => {
  const at = new Date(Date.now() + 100).toISOString()
  await create('published', {}, false)
  const body = { source: { type: 'instance', name: 'published' }, expires_at: at }
  const { status, metadata } = await windlass.operate('POST', '/1.0/images', body)
  expect(status).toBe('Success')
  const fingerprint = String(metadata?.['fingerprint'])
  const gone = async () =>
    (await windlass.call('GET', `/1.0/images/${fingerprint}`)).status === 404 ? true : undefined
  await until(30_000, gone, () => new Error('The image is still there'))
  const busybox = await windlass.call('GET', '/1.0/images/aliases/busybox')
  expect(busybox.status).toBe(200)
})
