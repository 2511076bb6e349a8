import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf, type ApiAnswer } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { engineObjects, readFileIn, writeFileIn, type EngineObjects } from '../support/engine-objects.ts'
import { until } from '../support/processes.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { volumeImageTar } from '../support/volume-image.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type Operation, type TestProcess, type TestWindlass } from '../support/windlass.ts'

// One worker is held at another point of each of many operations and killed; another worker takes all of them over.

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

const plain = { type: 'image', alias: 'busybox' }
const withVolume = { type: 'image', alias: 'volume' }

interface Crash {
  /** Where the first worker dies. */
  point: string
  method: string
  path: string
  body?: unknown
  /** A cancel between the death and the takeover. */
  cancelled?: boolean
  /** What ends in a failure that contains this. */
  err?: string
}

const cancel = (crash: Crash): Crash => ({ ...crash, cancelled: true })

const create = (at: string, name: string, more: object = {}): Crash => ({
  point: `instance.create.${at}@${name}`,
  method: 'POST',
  path: '/1.0/instances',
  body: { name, source: withVolume, ...more },
})

const copy = (at: string, name: string, from: string): Crash => ({
  point: `instance.copy.${at}@${name}`,
  method: 'POST',
  path: '/1.0/instances',
  body: { name, source: { type: 'copy', source: from } },
})

const restore = (at: string, name: string): Crash => ({
  point: `snapshot.restore.${at}@${name}`,
  method: 'PUT',
  path: `/1.0/instances/${name}`,
  body: { restore: 's0' },
})

const recreate = (at: string, name: string): Crash => ({
  point: `instance.update.${at}@${name}`,
  method: 'PUT',
  path: `/1.0/instances/${name}`,
  body: { config: { 'environment.COLOUR': 'blue' }, devices: {}, profiles: ['default'] },
})

const snapshot = (at: string, name: string): Crash => ({
  point: `snapshot.create.${at}@${name}/s1`,
  method: 'POST',
  path: `/1.0/instances/${name}/snapshots`,
  body: { name: 's1' },
})

const exec = (at: string, name: string, err?: string): Crash => ({
  point: `instance.exec.${at}@${name}`,
  method: 'POST',
  path: `/1.0/instances/${name}/exec`,
  body: { command: ['sh', '-c', 'echo x >> /root/ran'], 'record-output': true },
  ...(err === undefined ? {} : { err }),
})

const remove = (at: string, name: string): Crash => ({
  point: `instance.delete.${at}@${name}`,
  method: 'DELETE',
  path: `/1.0/instances/${name}`,
})

const upload = (at: string, body: Buffer): Crash => ({
  point: `image.import.${at}@${createHash('sha256').update(body).digest('hex')}`,
  method: 'POST',
  path: '/1.0/images',
  body,
})

const LOST =
  'The worker that ran the command ended before it; the command has ended since, its output and exit code are lost'

/** What the four cancelled operations say. */
const UNDONE = [
  'Gave the instance its container back',
  'Gave the instance its container back',
  'Let the instance run on',
  'Removed 1 new volume',
  'Removed 1 new volume',
  'Removed the new container',
  'Removed the new container',
  'Removed the new container',
  'Removed the new image',
  'Started the instance again',
  'Started the instance again',
]

/** The step in an instance's name. */
const stepOf = (name: string): string => name.slice(2)

const RESTORES = ['r-volumes', 'r-container', 'r-stop', 'r-name', 'r-start', 'r-record', 'r-cleanup']
const UPDATES = ['u-stop', 'u-commit', 'u-name', 'u-record']
const SNAPSHOTS = ['p-freeze', 'p-commit', 'p-thaw']
const SOURCES = ['s-commit', 's-container']
const COPIES = ['k-commit', 'k-container']
const EXECS = ['e-unmarked', 'e-marked', 'e-after']
const DOOMED = ['d-remove', 'd-end']
const CREATED = ['c-volumes', 'c-before', 'c-end']
const STARTED = ['c-after', 'c-start']

async function crashes(): Promise<Crash[]> {
  const tar = await tinyImageTar()
  return [
    create('volumes.after', 'c-volumes'),
    create('container.before', 'c-before'),
    create('end.before', 'c-end'),
    create('container.after', 'c-after', { start: true }),
    create('start.after', 'c-start', { start: true }),
    ...COPIES.map((name, at) => copy(`${stepOf(name)}.after`, name, SOURCES[at] ?? '')),
    ...RESTORES.map((name) => restore(`${stepOf(name)}.after`, name)),
    ...UPDATES.map((name) => recreate(`${stepOf(name)}.after`, name)),
    ...SNAPSHOTS.map((name) => snapshot(`${stepOf(name)}.after`, name)),
    remove('remove.after', 'd-remove'),
    remove('end.before', 'd-end'),
    exec('mark.after', 'e-unmarked'),
    exec('run.before', 'e-marked', LOST),
    exec('run.after', 'e-after', LOST),
    upload('import.before', Buffer.concat([tar, Buffer.alloc(1024)])),
    upload('import.after', Buffer.concat([tar, Buffer.alloc(2048)])),
    cancel(create('container.after', 'x-create')),
    cancel(restore('start.after', 'x-restore')),
    cancel(recreate('name.after', 'x-update')),
    cancel(snapshot('commit.after', 'x-snapshot')),
  ]
}

/** Sends all requests to one worker, kills it when each stands at its point, and lets another one end them all. */
async function crashAll(cuts: Crash[]): Promise<Operation[]> {
  await stop(worker)
  const points = cuts.map(({ point }) => point)
  const doomed = await windlass.startWorker({ WINDLASS_TEST_POINT: points.join(','), WINDLASS_CONCURRENCY: '64' })
  const accepted = await Promise.all(cuts.map(({ method, path, body }) => windlass.call(method, path, body)))
  expect(accepted.filter(({ status }) => status !== 202)).toEqual([])
  await doomed.holds(points)
  doomed.kill('SIGKILL')
  await doomed.exited
  const asked = accepted.filter((_, at) => cuts[at]?.cancelled === true)
  for (const answer of asked) expect((await windlass.call('DELETE', urlOf(answer))).status).toBe(200)
  worker = await windlass.startWorker()
  return Promise.all(accepted.map((answer) => windlass.ended(answer)))
}

async function stop(process: TestProcess): Promise<void> {
  process.kill('SIGTERM')
  await process.exited
}

const urlOf = (accepted: ApiAnswer): string => String(fieldOf(accepted.body, 'operation'))
const read = (name: string, path: string) => readFileIn(windlass.engine.socket, `${name}.lxd`, path)

async function operate(method: string, path: string, body?: unknown): Promise<Operation> {
  const ended = await windlass.operate(method, path, body)
  expect(ended).toMatchObject({ status: 'Success', err: '' })
  return ended
}

async function statusByName(): Promise<Record<string, unknown>> {
  const { body } = await windlass.call('GET', '/1.0/instances?recursion=1')
  const instances = fieldOf(body, 'metadata')
  if (!Array.isArray(instances)) return {}
  return Object.fromEntries(instances.map((one) => [String(fieldOf(one, 'name')), fieldOf(one, 'status')]))
}

async function each(names: string[], act: (name: string) => Promise<unknown>): Promise<void> {
  await Promise.all(names.map(act))
}

const VOLUMED = [...RESTORES, ...SNAPSHOTS, ...SOURCES, 'x-restore', 'x-snapshot']
const PLAIN = [...UPDATES, ...EXECS, 'x-update']
const SNAPSHOTTED = [...RESTORES, 's-container', 'd-end', 'x-restore']

const make = (source: object, start: boolean) => (name: string) =>
  operate('POST', '/1.0/instances', { name, source, start })

async function prepare(): Promise<void> {
  await Promise.all([
    each(VOLUMED, make(withVolume, true)),
    each(PLAIN, make(plain, true)),
    each(DOOMED, make(withVolume, false)),
  ])
  await each(SNAPSHOTTED, (name) => operate('POST', `/1.0/instances/${name}/snapshots`, { name: 's0' }))
  await Promise.all([each([...VOLUMED, ...PLAIN], writeIn('/root')), each(VOLUMED, writeIn('/data'))])
}

const writeIn = (directory: string) => (name: string) =>
  writeFileIn(windlass.engine.socket, `${name}.lxd`, directory, { name: 'note', content: 'new' })

test('whatever a killed worker was doing is ended by another one: once, and with nothing left', async () => {
  await prepare()
  const cuts = await crashes()
  const ended = await crashAll(cuts)
  expect(cuts.map(({ point }, at) => [point, ended[at]?.status, ended[at]?.err])).toEqual(cuts.map(wanted))
  const undone: string[] = ended.flatMap(({ status, windlass: told }) => (status === 'Cancelled' ? told.undone : []))
  expect(undone.toSorted()).toEqual(UNDONE)
  const stopped = [...CREATED, ...COPIES]
  const running = [...STARTED, ...VOLUMED, ...PLAIN]
  expect(await statusByName()).toEqual({
    ...Object.fromEntries(stopped.map((name) => [name, 'Stopped'])),
    ...Object.fromEntries(running.map((name) => [name, 'Running'])),
  })
  const snapshots = RESTORES.length + SNAPSHOTS.length + 3
  expect(await engineObjects(windlass.engine.socket)).toEqual({
    containers: [...stopped, ...running].map((name) => `${name}.lxd`).toSorted(),
    paused: [],
    running: running.map((name) => `${name}.lxd`).toSorted(),
    volumes: { volume: stopped.length + STARTED.length + VOLUMED.length, snapshot: snapshots, tarball: 4, output: 2 },
    // Images that a container was made from stay while it is there.
    tags: { image: 4, snapshot: snapshots, instance: UPDATES.length + COPIES.length },
  } satisfies EngineObjects)
  await each(RESTORES, async (name) => {
    expect([name, await read(name, '/root/note'), await read(name, '/data/note')]).toEqual([name, undefined, undefined])
  })
  await each(
    [...VOLUMED, ...COPIES].filter((name) => !RESTORES.includes(name)),
    async (name) => {
      expect([name, await read(name, '/root/note'), await read(name, '/data/note')]).toEqual([name, 'new', 'new'])
    },
  )
  await each(PLAIN, async (name) => expect([name, await read(name, '/root/note')]).toEqual([name, 'new']))
  expect(await Promise.all(EXECS.map((name) => read(name, '/root/ran')))).toEqual(['x\n', undefined, 'x\n'])
}, 240_000)

function wanted({ point, cancelled, err }: Crash): [string, string, string] {
  if (cancelled === true) return [point, 'Cancelled', 'Operation was cancelled']
  return [point, err === undefined ? 'Success' : 'Failure', err ?? '']
}

test('a command that runs when its worker ends is followed to its end and never started again', async () => {
  const script = 'echo x >> /root/ran; sleep 5; echo y >> /root/ran'
  const runs = async (name: string) => {
    await operate('POST', '/1.0/instances', { name, source: plain, start: true })
    const body = { command: ['sh', '-c', script], 'record-output': true }
    const accepted = await windlass.call('POST', `/1.0/instances/${name}/exec`, body)
    const look = async () => ((await read(name, '/root/ran')) === undefined ? undefined : true)
    await until(20_000, look, () => new Error(`The command does not run in ${name}`))
    return accepted
  }
  const killed = await runs('f-killed')
  const next = windlass.startWorker()
  worker.kill('SIGKILL')
  worker = await next
  const drained = await runs('f-drained')
  const last = windlass.startWorker()
  await stop(worker)
  worker = await last
  for (const accepted of [killed, drained])
    expect(await windlass.ended(accepted)).toMatchObject({ status: 'Failure', err: LOST })
  // Long enough for a second run to be seen.
  await delay(500)
  expect([await read('f-killed', '/root/ran'), await read('f-drained', '/root/ran')]).toEqual(['x\ny\n', 'x\ny\n'])
}, 90_000)
