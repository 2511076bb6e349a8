import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { engineObjects, readFileIn, writeFileIn } from '../support/engine-objects.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type TestProcess, type TestWindlass } from '../support/windlass.ts'
import { volumeImageTar } from '../support/volume-image.ts'

// A worker is killed in the middle of refreshing copies and renaming networks; another one ends what it began.

let windlass: TestWindlass
let worker: TestProcess

beforeAll(async () => {
  windlass = await startWindlass({ workers: 0 })
  worker = await windlass.startWorker()
  await publishStarterImage(windlass.socket, await staticBusybox())
  const uploaded = await operate('POST', '/1.0/images', await volumeImageTar(windlass.engine.socket))
  const target = uploaded.metadata?.['fingerprint']
  await windlass.call('POST', '/1.0/images/aliases', { name: 'volume', target })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function operate(method: string, path: string, body?: unknown) {
  const ended = await windlass.operate(method, path, body)
  expect(ended).toMatchObject({ status: 'Success', err: '' })
  return ended
}

const write = (name: string, directory: string, content: string) =>
  writeFileIn(windlass.engine.socket, `${name}.lxd`, directory, { name: 'note', content })
const read = (name: string, path: string) => readFileIn(windlass.engine.socket, `${name}.lxd`, path)
const copyOf = (source: string, refresh: boolean) => ({ type: 'copy', source, refresh })

/** Puts a worker that stands at these points in the place of the present one. */
async function doom(points: readonly string[]): Promise<TestProcess> {
  worker.kill('SIGTERM')
  await worker.exited
  return windlass.startWorker({ WINDLASS_TEST_POINT: points.join(','), WINDLASS_CONCURRENCY: '16' })
}

async function kill(doomed: TestProcess): Promise<void> {
  doomed.kill('SIGKILL')
  await doomed.exited
  worker = await windlass.startWorker()
}

const ENDED = ['commit', 'snapshots', 'container', 'record', 'snapshots-gone']
const CANCELLED = ['name']

test('a refresh is ended once, or taken back, with nothing left', async () => {
  const pairs = [...ENDED.map((step) => [step, step]), ...CANCELLED.map((step) => [step, `x-${step}`])].map(
    ([step = '', name = '']) => ({ step, source: `s-${name}`, copy: `c-${name}`, isCancelled: name !== step }),
  )
  const prepare = async ({ source, copy }: { source: string; copy: string }) => {
    await operate('POST', '/1.0/instances', { name: source, source: { type: 'image', alias: 'volume' }, start: true })
    await operate('POST', `/1.0/instances/${source}/snapshots`, { name: 's0' })
    await operate('POST', '/1.0/instances', { name: copy, source: copyOf(source, true) })
    await operate('DELETE', `/1.0/instances/${source}/snapshots/s0`)
    await operate('POST', `/1.0/instances/${source}/snapshots`, { name: 's1' })
    for (const directory of ['/root', '/data']) await write(source, directory, 'new')
  }
  await Promise.all(pairs.map(prepare))
  const points = pairs.map(({ step, copy }) => `instance.refresh.${step}.after@${copy}`)
  const doomed = await doom(points)
  const accepted = await Promise.all(
    pairs.map(({ source, copy }) =>
      windlass.call('POST', '/1.0/instances', { name: copy, source: copyOf(source, true) }),
    ),
  )
  await doomed.holds(points)
  doomed.kill('SIGKILL')
  await doomed.exited
  for (const [at, { isCancelled }] of pairs.entries())
    if (isCancelled) await windlass.call('DELETE', String(fieldOf(accepted[at]?.body, 'operation')))
  worker = await windlass.startWorker()
  for (const [at, { copy, isCancelled }] of pairs.entries()) {
    const answer = accepted[at]
    if (answer === undefined) throw new Error('There is an answer to each')
    const { status, err } = await windlass.ended(answer)
    const listed = await windlass.call('GET', `/1.0/instances/${copy}/snapshots`)
    expect([copy, status, fieldOf(listed.body, 'metadata'), await read(copy, '/root/note'), err]).toEqual(
      isCancelled
        ? [copy, 'Cancelled', [`/1.0/instances/${copy}/snapshots/s0`], undefined, 'Operation was cancelled']
        : [copy, 'Success', [`/1.0/instances/${copy}/snapshots/s1`], 'new', ''],
    )
    expect([copy, await read(copy, '/data/note')]).toEqual([copy, isCancelled ? undefined : 'new'])
  }
  const { containers, paused, running, volumes, tags } = await engineObjects(windlass.engine.socket)
  expect(containers).toEqual(pairs.flatMap(({ source, copy }) => [`${source}.lxd`, `${copy}.lxd`]).toSorted())
  expect([paused, running]).toEqual([[], pairs.map(({ source }) => `${source}.lxd`).toSorted()])
  const count = pairs.length
  expect({ volumes, tags }).toMatchObject({
    volumes: { volume: 2 * count, snapshot: 2 * count },
    tags: { snapshot: 2 * count, instance: count },
  })
}, 240_000)

test('a network has its new name and is there once', async () => {
  const steps = ['look', 'record', 'remove', 'network']
  for (const [at, step] of steps.entries())
    await windlass.call('POST', '/1.0/networks', { name: `n-${step}`, config: { 'ipv4.address': `10.77.${at}.1/24` } })
  const points = steps.map((step) => `network.rename.${step}.after@n-${step}`)
  const doomed = await doom(points)
  const answers = steps.map((step) => windlass.call('POST', `/1.0/networks/n-${step}`, { name: `m-${step}` }))
  await doomed.holds(points)
  await kill(doomed)
  expect((await Promise.all(answers)).map(({ status, text }) => [status, text])).toEqual(
    steps.map(() => [201, expect.anything()]),
  )
  const listed = await windlass.call('GET', '/1.0/networks')
  expect(fieldOf(listed.body, 'metadata')).toEqual(
    ['lxdbr0', ...steps.map((step) => `m-${step}`)].toSorted().map((name) => `/1.0/networks/${name}`),
  )
  const { text } = await askEngine(windlass.engine.socket, 'GET', '/networks')
  const there: { Name: string; IPAM: { Config: { Subnet: string }[] } }[] = JSON.parse(text)
  const named = there
    .filter(({ Name }) => /^[mn]-/.test(Name))
    .map(({ Name, IPAM }) => `${Name} ${IPAM.Config[0]?.Subnet}`)
  expect(named.toSorted()).toEqual(steps.map((step, at) => `m-${step} 10.77.${at}.0/24`).toSorted())
  // Each is known by what the engine has of it now.
  for (const step of steps) {
    const state = await windlass.call('GET', `/1.0/networks/m-${step}/state`)
    expect(fieldOf(fieldOf(state.body, 'metadata'), 'state')).toBe('up')
    expect((await windlass.call('DELETE', `/1.0/networks/m-${step}`)).status).toBe(200)
  }
}, 120_000)
