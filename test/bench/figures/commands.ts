/** Whole commands of the real lxc, beside what they take with a real LXD, and beside what the client itself takes. */
import { join } from 'node:path'
import { ms, ofLxd, type Row, times } from '../report.ts'
import { openLxc, type LxcCommand } from '../lxc-command.ts'
import { startBare } from '../bare-process.ts'
import { encodeRequest, openClient } from '../client.ts'
import { median, quantile, timed } from '../statistics.ts'
import { inParallel, type Measured } from '../subject.ts'
import { IMAGE, newInstance } from '../tiny.ts'

/** Lists of so many instances, none of which runs; and LXD's milliseconds as they were recorded. */
const LISTS: [instances: number, recorded: number, target: string][] = [
  [1, 15.1, '≤ LXD'],
  [100, 161, '≤ LXD'],
  [500, 1302, '< 100 ms'],
]
/** LXD's milliseconds, recorded. */
const STEPS = { launch: 335, 'config set': 24, snapshot: 112, 'stop --force': 773 } as const
type Step = keyof typeof STEPS

const WARM_UP = 3
/** Rounds are bounded: all these rows together take about two minutes. */
const MOST_RUNS = 20
const WIDTH = 16

/** A row for each list and each step in the life of an instance. */
export async function measureCommands(measured: Measured, runs: number): Promise<Row[]> {
  const lxc = await openLxc(measured.windlass)
  const rounds = Math.min(runs, MOST_RUNS)
  const client = `${ms(median(await sample(() => lxc.run('query', '/1.0'), rounds)))} lxc query /1.0`
  const [lives, livesOfLxd] = await measureLives(measured, lxc, rounds)
  const steps = [...lives].map(([step, taken]) =>
    toRow(`lxc ${step}`, taken, client, { recorded: STEPS[step], lxd: livesOfLxd.get(step) }),
  )
  return [...steps, ...(await measureLists(measured, lxc, rounds))]
}

/** Beside the same client with the same answers from a server that does nothing else. */
async function measureLists(measured: Measured, lxc: LxcCommand, rounds: number): Promise<Row[]> {
  const { dataDir, redis } = measured.windlass
  await using bare = await startBare(join(dataDir, 'lists.sock'), redis.socket)
  const bareLxc = await openLxc({ socket: bare.socket, dataDir })
  await bare.answer('1.0', (await measured.client.request(encodeRequest('GET', '/1.0'))).text)
  const rows: Row[] = []
  const ours: Filled = { socket: measured.windlass.socket, width: WIDTH, names: [] }
  // Given more than one at a time, LXD 5.0.2 was seen to answer nothing any more.
  const lxds = measured.lxd === undefined ? [] : [{ socket: measured.lxd.socket, width: 1, names: [] }]
  const servers: Filled[] = [ours, ...lxds]
  for (const [instances, recorded, target] of LISTS) {
    for (const server of servers) await fill(measured, server, instances)
    const list = encodeRequest('GET', '/1.0/instances?filter=&recursion=2')
    await bare.answer('instances', (await measured.client.request(list)).text)
    const clients = [lxc, bareLxc, ...(measured.lxd === undefined ? [] : [measured.lxd.lxc])]
    const [taken = [], barely = [], lxd] = await inTurns(clients, rounds)
    const yardstick = `${ms(median(barely))} lxc with the same answers of bare Fastify`
    rows.push(toRow(`lxc list of ${instances}`, taken, yardstick, { recorded, lxd, target }))
  }
  for (const server of servers) await each(measured, server, server.names, 'DELETE')
  return rows
}

function toRow(
  what: string,
  taken: number[],
  yardstick: string,
  { recorded, lxd, target = '≤ LXD' }: { recorded: number; lxd: number[] | undefined; target?: string },
): Row {
  return {
    figure: `${what}, the whole command, p50 (n = ${taken.length})`,
    windlass: `${ms(median(taken))}, p99 ${ms(quantile(taken, 0.99))}`,
    yardstick,
    result: `${times(median(taken) / (lxd === undefined ? recorded : median(lxd)))} of LXD`,
    target,
    lxd: ofLxd(lxd, recorded),
  }
}

async function inTurns(clients: LxcCommand[], runs: number): Promise<number[][]> {
  const all = clients.map((client) => ({ client, taken: [] as number[] }))
  for (let run = -WARM_UP; run < runs; run++)
    for (const { client, taken } of all) {
      const time = await timed(() => client.run('list'))
      if (run >= 0) taken.push(time)
    }
  return all.map(({ taken }) => taken)
}

async function sample(command: () => Promise<unknown>, runs: number): Promise<number[]> {
  for (let warm = 0; warm < WARM_UP; warm++) await command()
  const taken: number[] = []
  for (let run = 0; run < runs; run++) taken.push(await timed(command))
  return taken
}

type Lives = Map<Step, number[]>

/** An instance runs through all steps, again and again, beside one of LXD's. */
async function measureLives({ lxd }: Measured, lxc: LxcCommand, runs: number): Promise<[Lives, Lives]> {
  const all: Lives = new Map()
  const byLxd: Lives = new Map()
  for (let run = -WARM_UP; run < runs; run++) {
    const name = `life-${run + WARM_UP}`
    const commands: Record<Step, string[]> = {
      launch: ['launch', IMAGE, name],
      'config set': ['config', 'set', name, 'user.a=1'],
      snapshot: ['snapshot', name],
      'stop --force': ['stop', '--force', name],
    }
    for (const [step, words] of Object.entries(commands) as [Step, string[]][]) {
      const taken = await timed(() => lxc.run(...words))
      if (run >= 0) all.set(step, [...(all.get(step) ?? []), taken])
      if (lxd === undefined) continue
      const takenByLxd = await timed(() => lxd.lxc.run(...words))
      if (run >= 0) byLxd.set(step, [...(byLxd.get(step) ?? []), takenByLxd])
    }
    for (const client of [lxc, ...(lxd === undefined ? [] : [lxd.lxc])]) await client.run('delete', name)
  }
  return [all, byLxd]
}

/** A server with the instances that were made in it, so many at a time. */
interface Filled {
  socket: string
  width: number
  names: string[]
}

/** So many instances that do not run. */
async function fill(measured: Measured, server: Filled, many: number): Promise<void> {
  const made = server.names.length
  const names = Array.from({ length: many - made }, (_, at) => `listed-${made + at}`)
  await each(measured, server, names, 'POST')
  server.names.push(...names)
}

async function each(
  { operate }: Measured,
  { socket, width }: Filled,
  names: readonly string[],
  method: 'POST' | 'DELETE',
): Promise<void> {
  const clients = await Promise.all(Array.from({ length: width }, () => openClient(socket)))
  const free = [...clients]
  await inParallel(names, width, async (name) => {
    const client = free.pop()
    if (client === undefined) throw new Error('More work than connections')
    if (method === 'POST') await operate(method, '/1.0/instances', newInstance(name), client)
    else await operate(method, `/1.0/instances/${name}`, undefined, client)
    free.push(client)
  })
  for (const client of clients) client.close()
}
