/** F3: API processes killed on the way to an answer; F12: many clients after one name. */
import { randomUUID } from 'node:crypto'
import { callApi, fieldOf, type ApiAnswer } from '../../../src/setup/api-client.ts'
import { until } from '../../support/processes.ts'
import { operationOf, type Bed } from '../bed.ts'
import type { Random } from '../random.ts'
import { attempt, logsOf, type Line } from '../stage.ts'
import type { Tally } from '../tally.ts'

const POINTS = ['accept.record.before', 'accept.record.after', 'accept.add.after', 'accept.answer.before']
const CLIENTS = 20

interface Client {
  name: string
  key: string
  point: string
  answered?: string | undefined
}

const root = { root: { type: 'disk', path: '/', pool: 'default' } }
const bare = (name: string) => ({ name, source: { type: 'none' }, profiles: [], devices: root })

let rounds = 0

/** One API process holds requests of many clients at points of acceptance, and dies. */
async function killAccepting(bed: Bed, tally: Tally, random: Random, count: number): Promise<void> {
  const round = ++rounds
  const clients: Client[] = Array.from({ length: count }, (_, n) => ({
    name: `a${round}-${n}`,
    key: randomUUID(),
    point: random.pick(POINTS),
  }))
  const died = await holdAndKill(bed, clients)
  await Promise.all(clients.map((client) => checkClient(bed, tally, client, died)))
}

async function holdAndKill(bed: Bed, clients: Client[]): Promise<number> {
  const byName = new Map(clients.map((client) => [client.name, client]))
  const api = await bed.windlass.startApi({ WINDLASS_TEST_POINT: 'all' })
  const held = new Set<string>()
  api.onPoint((reached) => {
    if (byName.get(reached.entity)?.point === reached.point) held.add(reached.entity)
    else api.letOn(reached)
  })
  const answers = clients.map(async (client) => {
    const { name, key } = client
    const request = { method: 'POST', path: '/1.0/instances', body: bare(name), headers: { 'idempotency-key': key } }
    client.answered = await callApi(api.socket, request).then(operationOf, () => undefined)
  })
  const allHeld = async () => (held.size === clients.length ? true : undefined)
  await until(30_000, allHeld, () => new Error(`Only ${held.size} of ${clients.length} came to their points`))
  api.kill('SIGKILL')
  const died = performance.now()
  await Promise.all(answers)
  return died
}

async function checkClient(bed: Bed, tally: Tally, client: Client, died: number): Promise<void> {
  const { name, key, point, answered } = client
  const work = async (): Promise<void> => {
    const faults: string[] = []
    let took: number | undefined
    if (point === 'accept.record.after') {
      // It was accepted and never queued, and nobody asks again: that is for the sweeper to find.
      const there = async () =>
        (await bed.windlass.call('GET', `/1.0/instances/${name}`)).status === 200 ? true : undefined
      await until(30_000, there, () => new Error('What was recorded is never done'))
      took = performance.now() - died
    }
    const again = await bed.call('POST', '/1.0/instances', bare(name), { 'idempotency-key': key })
    const id = operationOf(again)
    if (again.status !== 202) faults.push(`The same key again was answered with ${again.status}: ${again.text}`)
    if (answered !== undefined && answered !== id) faults.push(`The key led to ${answered}, and then to ${id}`)
    const operation = await bed.ended(again)
    if (operation?.state !== 'success') faults.push(`It ended as ${operation?.state}: ${operation?.err}`)
    const { body } = await bed.call('GET', `/1.0/operations?history=true&instance=${name}`)
    const history = fieldOf(fieldOf(body, 'metadata'), 'operations')
    if (!Array.isArray(history) || history.length !== 1) faults.push(`Not one operation: ${JSON.stringify(history)}`)
    if (faults.length > 0) return tally.failed(`${name} at ${point}`, { faults, client, operation, logs: logsOf(bed) })
    tally.passed(took)
    await bed.ended(await bed.call('DELETE', `/1.0/instances/${name}`))
  }
  await attempt(tally, `${name} at ${point}`, work, bed)
}

export const accept: Line = {
  name: 'F3',
  what: 'kill -9 of the API on the way to an answer; p50, p99, max until the sweeper has had it done',
  minutes: 4,
  run: async ({ bed: open, tally, random, length, mayBegin }) => {
    const bed = await open()
    const [count, most] = length === 'short' ? [4, 1] : [CLIENTS, 25]
    for (let round = 0; round < most && mayBegin(); round++)
      await attempt(tally, `round ${round}`, () => killAccepting(bed, tally, random, count), bed)
  },
}

const RACERS = 50

/** All at once. */
function askAll(bed: Bed): Promise<ApiAnswer[]> {
  const sockets = bed.sockets()
  const request = { method: 'POST', path: '/1.0/instances', body: bare('contested') }
  return Promise.all(
    Array.from({ length: RACERS }, (_, n) => callApi(sockets[n % sockets.length] ?? bed.windlass.socket, request)),
  )
}

/** The one that gets it ends it or is cancelled, and the name is free for the next round. */
async function raceOnce(bed: Bed, tally: Tally, round: number): Promise<void> {
  const began = performance.now()
  const answers = await askAll(bed)
  const took = performance.now() - began
  const [winner, ...more] = answers.filter(({ status }) => status === 202)
  const losers = answers.filter(({ status }) => status === 409)
  if (winner === undefined || more.length > 0 || losers.length !== RACERS - 1)
    return tally.failed(`round ${round}`, { answers: answers.map(({ status, text }) => [status, text.slice(0, 300)]) })
  if (round % 2 === 1) await bed.call('DELETE', operationOf(winner) ?? '')
  const operation = await bed.ended(winner)
  if (operation?.state === 'success') await bed.ended(await bed.call('DELETE', '/1.0/instances/contested'))
  else if (operation?.state !== 'cancelled') return tally.failed(`round ${round}`, { operation })
  tally.passed(took)
}

export const race: Line = {
  name: 'F12',
  what: '50 clients after one name, each second winner cancelled; p50, p99, max until all are answered',
  minutes: 2,
  run: async ({ bed: open, tally, length, mayBegin }) => {
    const bed = await open()
    const most = length === 'short' ? 2 : 100
    for (let round = 0; round < most && mayBegin(); round++)
      await attempt(tally, `round ${round}`, () => raceOnce(bed, tally, round), bed)
  },
}
