/** What single answers cost: POSTs that are accepted, reads of an operation, of the server and of lists. */
import type { Bare } from '../bare-process.ts'
import { encodeRequest, openClient } from '../client.ts'
import { compareRates } from '../load.ts'
import { ms, perSecond, type Row, times } from '../report.ts'
import { median, quantile, timed } from '../statistics.ts'
import { inParallel, type Measured } from '../subject.ts'
import type { OverheadResult } from './overhead.ts'

/** Milliseconds one turn of a load lasts. */
const TURN = 2_000

/** POST → 202 of all operations of the first figure, and GET of one of them. */
export async function measureOperations(
  measured: Measured,
  bare: Bare,
  { accepted, url }: OverheadResult,
): Promise<Row[]> {
  const text = await answerOf(measured, url)
  await bare.answer('operation', text)
  const client = await openClient(bare.socket)
  const store = encodeRequest('POST', '/store/operation', JSON.parse(text))
  const theirs = { get: encodeRequest('GET', '/bodies/operation'), post: store }
  const read = encodeRequest('GET', url)
  const samples = { get: new Array<number>(), bareGet: new Array<number>(), barePost: new Array<number>() }
  for (let run = -50; run < 500; run++) {
    const get = await timed(() => measured.client.request(read))
    const bareGet = await timed(() => client.request(theirs.get))
    const barePost = await timed(() => client.request(theirs.post))
    if (run < 0) continue
    samples.get.push(get)
    samples.bareGet.push(bareGet)
    samples.barePost.push(barePost)
  }
  client.close()
  return [
    {
      figure: `POST answered 202, p50 of all of the above (n = ${accepted.length})`,
      windlass: `${ms(median(accepted))}, p99 ${ms(quantile(accepted, 0.99))}`,
      yardstick: `${ms(median(samples.barePost))} bare Fastify and one SET`,
      result: times(median(accepted) / median(samples.barePost)),
      target: '≤ 3 ms',
      lxd: '4.5 ms',
    },
    {
      figure: `GET of an operation, p50 (n = ${samples.get.length})`,
      windlass: `${ms(median(samples.get))}, p99 ${ms(quantile(samples.get, 0.99))}`,
      yardstick: `${ms(median(samples.bareGet))} bare Fastify, same body`,
      result: times(median(samples.get) / median(samples.bareGet)),
      target: '≤ 1 ms',
      lxd: '',
    },
  ]
}

/** GET /1.0 at 32 connections against a bare route with the same body. */
export async function measureServer(measured: Measured, bare: Bare): Promise<Row[]> {
  return [
    await compareReads(measured, bare, { path: '/1.0', connections: 32, target: '≥ × 0.50', lxd: '5,530/s (8 conn.)' }),
  ]
}

/** Lists of 100 stopped instances, which stay for a later figure. */
export async function measureLists(measured: Measured, bare: Bare): Promise<Row[]> {
  const names = Array.from({ length: 100 }, (_, at) => `list-${at}`)
  const clients = await Promise.all(names.slice(0, 16).map(() => openClient(measured.windlass.socket)))
  const each = async (work: (name: string, over: (typeof clients)[number]) => Promise<unknown>): Promise<void> => {
    const free = [...clients]
    await inParallel(names, clients.length, async (name) => {
      const client = free.pop()
      if (client === undefined) throw new Error('More work than connections')
      await work(name, client)
      free.push(client)
    })
  }
  await each((name, over) =>
    measured.operate('POST', '/1.0/instances', { name, source: { type: 'image', alias: 'tiny' } }, over),
  )
  const rows: Row[] = []
  const lxd: Record<string, string> = { '1/1': '106/s', '1/8': '158/s', '2/1': '6.5/s', '2/8': '4.2/s' }
  for (const recursion of [1, 2])
    for (const connections of [1, 8]) {
      const path = `/1.0/instances?recursion=${recursion}`
      const known = lxd[`${recursion}/${connections}`] ?? ''
      rows.push(await compareReads(measured, bare, { path, connections, target: 'for information', lxd: known }))
    }
  await each((name, over) => measured.operate('DELETE', `/1.0/instances/${name}`, undefined, over))
  for (const client of clients) client.close()
  return rows
}

interface Compared {
  path: string
  connections: number
  target: string
  lxd: string
}

async function compareReads(measured: Measured, bare: Bare, compared: Compared): Promise<Row> {
  const { path, connections, target, lxd } = compared
  const text = await answerOf(measured, path)
  await bare.answer('read', text)
  const ours = encodeRequest('GET', path)
  const theirs = encodeRequest('GET', '/bodies/read')
  const load = { connections, ms: TURN, expect: 200 }
  const rates = await compareRates(
    { ...load, socket: measured.windlass.socket, request: () => ours },
    { ...load, socket: bare.socket, request: () => theirs },
  )
  return {
    figure: `GET ${path}, ${connections} connection${connections === 1 ? '' : 's'}, ${(text.length / 1000).toFixed(1)} kB`,
    windlass: `${perSecond(rates.ours.perSecond)}, p50 ${ms(rates.ours.p50)}, p99 ${ms(rates.ours.p99)}`,
    yardstick: `${perSecond(rates.theirs.perSecond)} bare Fastify, same body`,
    result: times(rates.ours.perSecond / rates.theirs.perSecond),
    target,
    lxd,
  }
}

async function answerOf({ client }: Measured, path: string): Promise<string> {
  const reply = await client.request(encodeRequest('GET', path))
  if (reply.status !== 200) throw new Error(`GET ${path} answered ${reply.status}: ${reply.text}`)
  return reply.text
}
