import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { handlers } from '../../workers/handlers/all.ts'
import { askEngine } from '../support/ask-engine.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

// Each operation's worker is killed at one named point; another worker takes over when the lock has run out.

let windlass: TestWindlass

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
  await publishStarterImage(windlass.socket, '/bin/busybox')
  await operate('POST', '/1.0/instances', { name: 'base', source, start: true })
  await operate('POST', '/1.0/instances/base/snapshots', { name: 's0' })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

const source = { type: 'image', alias: 'busybox' }

async function operate(method: string, path: string, body?: unknown): Promise<Operation> {
  const ended = await windlass.operate(method, path, body)
  expect(ended).toMatchObject({ status: 'Success', err: '' })
  return ended
}

interface Crash {
  point: string
  method: string
  path: string
  body: unknown
}

/** Sends each request to a pool whose only worker dies at the point; the next one's worker never sees the earlier job. */
async function crashAll(crashes: Crash[]): Promise<Operation[]> {
  const [healthy] = windlass.workers.splice(0)
  healthy?.kill('SIGTERM')
  await healthy?.exited
  const accepted = []
  for (const { point, method, path, body } of crashes) {
    const doomed = await windlass.startWorker({ WINDLASS_TEST_POINT: point })
    accepted.push(await windlass.call(method, path, body))
    await doomed.exited
  }
  windlass.workers.push(await windlass.startWorker())
  return Promise.all(accepted.map((answer) => windlass.ended(answer)))
}

/** What the engine holds of ours, by the label that says what it is for. */
async function held(): Promise<Record<string, string[]>> {
  const containers: { Names: string[] }[] = JSON.parse(
    (await askEngine(windlass.engine.socket, 'GET', '/containers/json?all=true')).text,
  )
  const volumes: { Volumes: { Name: string }[] } = JSON.parse(
    (await askEngine(windlass.engine.socket, 'GET', '/volumes')).text,
  )
  return {
    containers: containers.flatMap(({ Names }) => Names).toSorted(),
    volumes: volumes.Volumes.map(({ Name }) => Name).filter((name) => !name.includes('image')),
  }
}

test('a worker killed in the middle of a create, a copy, a restore or an update loses nothing and leaves nothing', async () => {
  const crashes: Crash[] = [
    { point: 'instance.create.container.before', method: 'POST', path: '/1.0/instances', body: { name: 'k1', source } },
    { point: 'instance.create.container.after', method: 'POST', path: '/1.0/instances', body: { name: 'k2', source } },
    { point: 'instance.create.end.before', method: 'POST', path: '/1.0/instances', body: { name: 'k3', source } },
    {
      point: 'instance.copy.commit.after',
      method: 'POST',
      path: '/1.0/instances',
      body: { name: 'k4', source: { type: 'copy', source: 'base' } },
    },
  ]
  for (const ended of await crashAll(crashes)) expect(ended).toMatchObject({ status: 'Success', err: '' })
  expect((await held())['containers']).toEqual(['/base.lxd', '/k1.lxd', '/k2.lxd', '/k3.lxd', '/k4.lxd'])
  const base = await windlass.call('GET', '/1.0/instances/base')
  expect(fieldOf(fieldOf(base.body, 'metadata'), 'status')).toBe('Running')
})

const restorePoints = handlers['snapshot.restore'].steps
  .map(({ name }) => name)
  .filter((name) => name !== 'look')
  .map((name) => `snapshot.restore.${name}.after`)

test('a restore whose worker is killed after any step ends as if nothing had happened', async () => {
  for (const point of restorePoints)
    await operate('POST', '/1.0/instances', { name: nameOf(point), source: { type: 'copy', source: 'base' } })
  for (const point of restorePoints) await operate('PUT', `/1.0/instances/${nameOf(point)}/state`, { action: 'start' })
  const before = await held()
  const crashes = restorePoints.map((point) => ({
    point,
    method: 'PUT',
    path: `/1.0/instances/${nameOf(point)}`,
    body: { restore: 's0' },
  }))
  for (const ended of await crashAll(crashes)) expect(ended).toMatchObject({ status: 'Success', err: '' })
  expect(await held()).toEqual(before)
  for (const point of restorePoints) {
    const read = await windlass.call('GET', `/1.0/instances/${nameOf(point)}`)
    expect(fieldOf(fieldOf(read.body, 'metadata'), 'status')).toBe('Running')
  }
})

function nameOf(point: string): string {
  return `r-${point.split('.')[2]}`
}

test('a cancelled operation whose worker was killed is undone by the next one', async () => {
  const before = await held()
  const [healthy] = windlass.workers.splice(0)
  healthy?.kill('SIGTERM')
  await healthy?.exited
  const doomed = await windlass.startWorker({ WINDLASS_TEST_POINT: 'instance.create.container.after' })
  const accepted = await windlass.call('POST', '/1.0/instances', { name: 'gone', source })
  await doomed.exited
  await windlass.call('DELETE', String(fieldOf(accepted.body, 'operation')))
  windlass.workers.push(await windlass.startWorker())
  expect(await windlass.ended(accepted)).toMatchObject({ status: 'Cancelled', status_code: 401 })
  expect(await held()).toEqual(before)
  await operate('POST', '/1.0/instances', { name: 'gone', source })
})
