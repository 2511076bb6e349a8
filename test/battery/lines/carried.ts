/** F1a: the API process that carries an exec, a console or a change of all instances is killed at each of its moments. */
import { setTimeout as delay } from 'node:timers/promises'
import { callApi, fieldOf, type ApiAnswer } from '../../../src/setup/api-client.ts'
import type { ApiKind } from '../../../src/operations/catalog.ts'
import { PROCESS_ENDED } from '../../../src/operations/streams.ts'
import { openStream } from '../../support/stream-client.ts'
import { until } from '../../support/processes.ts'
import type { TestWindlass } from '../../support/windlass.ts'
import { operationOf, type Bed } from '../bed.ts'
import { clear, makeKit, type Kit } from '../scenario-kit.ts'
import { attempt, logsOf, type Line } from '../stage.ts'
import type { Tally } from '../tally.ts'

/** `answered`: it waits for its websockets. `running`: they are there. */
const MOMENTS = ['accept.record.before', 'accept.record.after', 'accept.answer.before', 'answered', 'running'] as const
type Moment = (typeof MOMENTS)[number]

/** Nothing else that runs in an instance has this in its command line. */
const COMMAND = ['sleep', '4711']

type Send = (name: string) => { method: string; path: string; body: object }

/** A kind without one does not compile. */
const ASKED: Record<ApiKind, Send> = {
  'instance.session': (name) => ({
    method: 'POST',
    path: `/1.0/instances/${name}/exec`,
    body: { command: COMMAND, 'wait-for-websocket': true },
  }),
  'instance.console': (name) => ({
    method: 'POST',
    path: `/1.0/instances/${name}/console`,
    body: { type: 'console' },
  }),
  'instance.bulk': () => ({
    method: 'PUT',
    path: '/1.0/instances',
    body: { state: { action: 'unfreeze' } },
  }),
}

interface Client {
  kind: ApiKind
  moment: Moment
  /** Of its instance, and of what its operation is about. */
  name: string
  entity: string
  answer?: ApiAnswer
}

type Api = Awaited<ReturnType<TestWindlass['startApi']>>

let rounds = 0

/** One of each kind and moment; of changes of all instances there can be only one at a time. */
function clientsOf(bulk: Moment, tag: string): Client[] {
  const alone = (['instance.session', 'instance.console'] as const).flatMap((kind, at) =>
    MOMENTS.map((moment, n): Client => ({ kind, moment, name: `${tag}-${at}${n}`, entity: `${tag}-${at}${n}` })),
  )
  return [...alone, { kind: 'instance.bulk', moment: bulk, name: `${tag}-all`, entity: 'default' }]
}

async function prepare(kit: Kit, { kind, name }: Client): Promise<void> {
  await kit.make(name, { type: 'image', alias: 'busybox' }, true)
  if (kind === 'instance.bulk') await kit.operate('PUT', `/1.0/instances/${name}/state`, { action: 'freeze' })
}

/** Sends all requests to one API process, which dies when each is where it is to be. */
async function bringAndKill(bed: Bed, clients: readonly Client[]): Promise<void> {
  const api = await bed.windlass.startApi({ WINDLASS_TEST_POINT: 'all' })
  const there = new Set<Client>()
  const held: (() => void)[] = []
  let isOver = false
  api.onPoint((reached) => {
    const client = clients.find(({ entity, moment }) => entity === reached.entity && moment === reached.point)
    if (client === undefined) api.letOn(reached)
    else there.add(client)
  })
  // What a change of all instances has others do is held, so that it goes on itself.
  const unwatch = clients
    .filter(({ kind }) => kind === 'instance.bulk')
    .map(({ name }) =>
      bed.pool.watch('instance.unfreeze', name, (reached, { process }) => {
        if (isOver) process.letOn(reached)
        else held.push(() => process.letOn(reached))
      }),
    )
  const bring = async (client: Client): Promise<void> => {
    const answer = await callApi(api.socket, ASKED[client.kind](client.name))
    client.answer = answer
    if (answer.status !== 202) throw new Error(`${client.kind} was answered with ${answer.status}: ${answer.text}`)
    if (client.moment === 'running') await joinAll(api, answer)
    if (client.moment === 'answered' || client.moment === 'running') there.add(client)
  }
  const bringing = clients.map((client) => bring(client).catch((failure: unknown) => failure))
  try {
    const allThere = async () => (there.size === clients.length ? true : undefined)
    const missing = () =>
      clients.filter((client) => !there.has(client)).map(({ kind, moment }) => `${kind} at ${moment}`)
    await until(30_000, allThere, () => new Error(`Not there: ${missing().join(', ')}`))
    // What is joined is started a moment later.
    await delay(500)
  } finally {
    api.kill('SIGKILL')
    isOver = true
    for (const letOn of held) letOn()
    await Promise.all(bringing)
    for (const stop of unwatch) stop()
  }
}

async function joinAll(api: Api, { body }: ApiAnswer): Promise<void> {
  const operation = fieldOf(body, 'metadata')
  const fds = Object(fieldOf(fieldOf(operation, 'metadata'), 'fds'))
  const id = String(fieldOf(operation, 'id'))
  const names = Object.keys(fds).filter((name) => name !== 'control')
  await Promise.all(names.map((name) => openStream(api.socket, id, String(fds[name]))))
}

async function check(bed: Bed, tally: Tally, client: Client, since: string): Promise<void> {
  const { kind, moment, name } = client
  const began = performance.now()
  const about = kind === 'instance.bulk' ? `since=${since}` : `instance=${name}`
  const work = async (): Promise<void> => {
    const ids = await idsOf(bed, `/1.0/operations?history=true&kind=${kind}&${about}`)
    const faults = [...judgeIds(client, ids), ...(await Promise.all(ids.map((id) => judgeEnd(bed, id)))).flat()]
    const took = performance.now() - began
    if (kind === 'instance.session' && (await runsOn(bed, name))) faults.push('Its command still runs')
    if (faults.length > 0) return tally.failed(`${kind} at ${moment}`, { faults, client, ids, logs: logsOf(bed) })
    tally.passed(took)
  }
  await attempt(tally, `${kind} at ${moment}`, work, bed)
}

/** What was recorded before the death is there, once. */
function judgeIds({ moment, answer }: Client, ids: readonly string[]): string[] {
  const wanted = moment === 'accept.record.before' ? 0 : 1
  const given = answer === undefined ? undefined : operationOf(answer)?.split('/').at(-1)
  return [
    ...(ids.length === wanted ? [] : [`There are ${ids.length} operations, not ${wanted}`]),
    ...(given === undefined || ids.includes(given) ? [] : [`${given} was answered and is gone`]),
  ]
}

async function judgeEnd(bed: Bed, id: string): Promise<string[]> {
  const { state, err } = (await bed.audit.ended(id)) ?? {}
  return state === 'failure' && err === PROCESS_ENDED ? [] : [`It ended as ${state}: ${err}`]
}

async function idsOf(bed: Bed, path: string): Promise<string[]> {
  const { body } = await bed.call('GET', path)
  const listed = fieldOf(fieldOf(body, 'metadata'), 'operations')
  return (Array.isArray(listed) ? listed : []).map((one) => String(fieldOf(one, 'id')))
}

async function runsOn(bed: Bed, name: string): Promise<boolean> {
  const script = `ps -o args | grep -q "^${COMMAND.join(' ')}"`
  const ended = await makeKit(bed).operate('POST', `/1.0/instances/${name}/exec`, { command: ['sh', '-c', script] })
  return ended.metadata?.['return'] === 0
}

async function killCarrying(bed: Bed, tally: Tally, clients: readonly Client[], tag: string): Promise<void> {
  const kit = makeKit(bed)
  const since = new Date().toISOString()
  try {
    await Promise.all(clients.map((client) => prepare(kit, client)))
    await bringAndKill(bed, clients)
    await Promise.all(clients.map((client) => check(bed, tally, client, since)))
  } finally {
    await clear(bed, tag)
  }
}

export const carried: Line = {
  name: 'F1a',
  what: 'kill -9 of the API process that carries an exec, a console, a change of all; ms until another one has ended it',
  minutes: 2,
  run: async ({ bed: open, tally, random, length, mayBegin }) => {
    const bed = await open()
    const most = length === 'short' ? 1 : 10
    for (let round = 0; round < most && mayBegin(); round++) {
      const tag = `k${String(++rounds).padStart(3, '0')}`
      const all = clientsOf(random.pick(MOMENTS), tag)
      const clients = length === 'short' ? random.shuffled(all).slice(0, 3) : all
      await attempt(tally, `round ${round}`, () => killCarrying(bed, tally, clients, tag), bed)
    }
  },
}
