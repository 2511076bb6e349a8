/** The old APIs beside the native one, and what keeping figures of many running containers costs. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { callApi, fieldOf } from '../../../src/setup/api-client.ts'
import type { TestEngine } from '../../support/engine.ts'
import type { TestWindlass } from '../../support/windlass.ts'
import { type BenchClient, encodeRequest, openClient } from '../client.ts'
import { ms, type Row, times } from '../report.ts'
import { median, timed } from '../statistics.ts'
import { inParallel, type Measured } from '../subject.ts'
import { newInstance } from '../tiny.ts'

const MANY = 200
const WIDTH = 16
const WARM_UP = 100
const RUNS = 400
/** Milliseconds over which the sampler is watched: three rounds. */
const WATCHED = 30_000

const NAMES = Array.from({ length: MANY }, (_, at) => `many-${at}`)
/** The one that is read. Nothing runs while requests are timed: the engine's figures take as long for all who ask. */
const ONE = 'many-0'
const STAYS = { 'raw.docker.command': 'sleep 1000000' }

/** A dialect's route, and the native one that tells the same. */
type Pair = [path: string, native: string]

const LIST = '/1.0/instances?recursion=1'
const READ = `/1.0/instances/${ONE}`

/** List and read of each; those that tell figures are beside routes that do. */
function pairsOf(numbers: unknown): Record<string, [list: Pair, read: Pair]> {
  const [number] = numbers as number[] // vz's list of all
  return {
    hostapi: [
      ['/containers', LIST],
      [`/containers/${ONE}`, READ],
    ],
    lwp: [
      ['/api/v1/containers/', LIST],
      [`/api/v1/containers/${ONE}`, `${READ}/state`],
    ],
    vzapi: [
      ['/v0.1/containers/', LIST],
      [`/v0.1/containers/${ONE}`, READ],
    ],
    vz: [
      ['/1.0/vz', '/1.0/instances'],
      [`/1.0/vz/${number}`, `${READ}?recursion=1`],
    ],
    hebergos: [
      ['/v1/container/', LIST],
      [`/v1/container/?id=${ONE}`, READ],
    ],
  }
}

/** Lists of 200 containers and reads of one by each dialect, in turns with the native route. */
export async function measureDialects(measured: Measured): Promise<Row[]> {
  const { socket } = measured.windlass
  await each(measured, (name) => ['POST', '/1.0/instances', { ...newInstance(name), config: STAYS }])
  // The first list gives the numbers.
  const { body } = await callApi(socket, { method: 'GET', path: '/1.0/vz' })
  const rows: Row[] = []
  for (const [dialect, pairs] of Object.entries(pairsOf(fieldOf(body, 'metadata'))))
    rows.push(await compare(measured, dialect, pairs))
  rows.push(await measureSampler(measured))
  await each(measured, (name) => ['PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true }])
  await each(measured, (name) => ['DELETE', `/1.0/instances/${name}`])
  return rows
}

async function compare({ client }: Measured, dialect: string, [list, read]: [Pair, Pair]): Promise<Row> {
  const [listed, shown] = [await measure(client, list), await measure(client, read)]
  return {
    figure: `${dialect}: list of ${MANY}; read of one; p50 (n = ${RUNS})`,
    windlass: `${ms(listed.ours)}; ${ms(shown.ours)}`,
    yardstick: `${ms(listed.theirs)} GET ${list[1]}; ${ms(shown.theirs)} GET ${read[1]}`,
    result: `${times(listed.ours / listed.theirs)}; ${times(shown.ours / shown.theirs)}`,
    target: '≤ × 1.30',
    lxd: '',
  }
}

/** Medians of both, one after the other. */
async function measure(client: BenchClient, [path, native]: Pair): Promise<{ ours: number; theirs: number }> {
  const [request, nativeRequest] = [encodeRequest('GET', path), encodeRequest('GET', native)]
  const [ours, theirs]: [number[], number[]] = [[], []]
  for (let run = -WARM_UP; run < RUNS; run++) {
    const own = await timed(() => get(client, request))
    const other = await timed(() => get(client, nativeRequest))
    if (run < 0) continue
    ours.push(own)
    theirs.push(other)
  }
  return { ours: median(ours), theirs: median(theirs) }
}

async function get(client: BenchClient, request: Buffer): Promise<void> {
  const { status, text } = await client.request(request)
  if (status !== 200) throw new Error(`Answer ${status}: ${text}`)
}

/** What hebergos' readings of 200 running containers cost the API process and Redis, beyond what both do without. */
async function measureSampler(measured: Measured): Promise<Row> {
  const { windlass } = measured
  await each(measured, (name) => ['PUT', `/1.0/instances/${name}/state`, { action: 'start' }])
  const path = `/v1/container/stats?id=${ONE}&since=0`
  const memory = await memoryOf(windlass)
  const idle = await watch(windlass)
  await callApi(windlass.socket, { method: 'GET', path })
  const reading = await watch(windlass)
  const { body } = await callApi(windlass.socket, { method: 'GET', path })
  const share = (which: 'own' | 'engine') =>
    `${((100 * (reading[which] - idle[which])) / WATCHED).toFixed(1)} % of one core`
  return {
    figure: `hebergos: stats of ${MANY} running containers, ${Object.keys(Object(body)).length} readings in ${WATCHED / 1000} s`,
    windlass: `${share('own')}, API process and Redis`,
    yardstick: `${share('engine')}, the engine itself`,
    result: `${(((await memoryOf(windlass)) - memory) / 1e6).toFixed(1)} MB in Redis for 5 h`,
    target: '< 5 %, < 64 MB',
    lxd: '',
  }
}

interface Spent {
  own: number
  engine: number
}

/** Milliseconds of processor time that are spent while nothing else is asked for. */
async function watch(windlass: TestWindlass): Promise<Spent> {
  const before = await spentBy(windlass)
  await sleep(WATCHED)
  const after = await spentBy(windlass)
  return { own: after.own - before.own, engine: after.engine - before.engine }
}

async function spentBy({ api, redis, engine }: TestWindlass): Promise<Spent> {
  const sum = async (pids: readonly number[]): Promise<number> =>
    (await Promise.all(pids.map(processorTime))).reduce((total, one) => total + one, 0)
  return { own: await sum([api.pid, redis.pid]), engine: await sum(await processesOf(engine)) }
}

/** The daemon, containerd and its shims: what shares a mount namespace. None of an engine that is somebody else's. */
async function processesOf({ pid: daemon }: TestEngine): Promise<number[]> {
  if (daemon === undefined) return []
  const namespaceOf = (pid: number) => readlink(`/proc/${pid}/ns/mnt`).catch(() => undefined)
  const wanted = await namespaceOf(daemon)
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid))
  const namespaces = await Promise.all(pids.map(namespaceOf))
  return pids.filter((_pid, at) => namespaces[at] === wanted)
}

/** User and system, milliseconds; the kernel counts in hundredths of a second. 0 for one that has ended. */
async function processorTime(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const [, , , , , , , , , , , user = '0', system = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(user) + Number(system)) * 10
}

const USED = "return tonumber(string.match(redis.call('INFO', 'memory'), 'used_memory:(%d+)'))"

async function memoryOf({ redis }: TestWindlass): Promise<number> {
  return Number((await redis.command('EVAL', USED, '0')).slice(1))
}

type Request = [method: string, path: string, body?: object]

/** An operation on each, so many at a time. */
async function each({ windlass, operate }: Measured, request: (name: string) => Request): Promise<void> {
  const clients = await Promise.all(Array.from({ length: WIDTH }, () => openClient(windlass.socket)))
  const free = [...clients]
  await inParallel(NAMES, WIDTH, async (name) => {
    const client = free.pop()
    if (client === undefined) throw new Error('More work than connections')
    const [method, path, body] = request(name)
    await operate(method, path, body, client)
    free.push(client)
  })
  for (const client of clients) client.close()
}
