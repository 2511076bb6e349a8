/** F10: ten thousand operations queued while two workers drain them; F11: a thousand waiters, five hundred readers. */
import { request, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { quantile } from '../../bench/statistics.ts'
import { encodeRequest, openClient } from '../../bench/client.ts'
import { fieldOf } from '../../../src/setup/api-client.ts'
import { publishStarterImage } from '../../../src/setup/publish-starter.ts'
import { staticBusybox } from '../../support/tiny-image.ts'
import { residentOf, until } from '../../support/processes.ts'
import { startWindlass, type TestWindlass } from '../../support/windlass.ts'
import { openAudit, type Audit } from '../audit.ts'
import { attempt, type Line } from '../stage.ts'
import type { Tally } from '../tally.ts'

const CONNECTIONS = 50
const POINT = 'instance.create.end.before@awaited'
const AT_ONCE = 100

/** So many instances that are records only, each with a snapshot: to change its expiry takes no work on the engine. */
async function makeRecords(windlass: TestWindlass, { records }: Audit, count: number): Promise<void> {
  const source = { type: 'image', alias: 'busybox' }
  await windlass.operate('POST', '/1.0/instances', { name: 'model', source })
  await windlass.operate('POST', '/1.0/instances/model/snapshots', { name: 's' })
  const instance = await records.find('instance', 'default', 'model')
  const [snapshot] = await records.list('snapshot')
  if (instance === undefined || snapshot === undefined) throw new Error('There is nothing to copy')
  for (let from = 0; from < count; from += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, n) => {
        const uuid = `00000000-0000-4000-8000-${String(from + n).padStart(12, '0')}`
        // Two with one container would be taken for one that was renamed.
        const copy = { ...instance, uuid, rev: 0, name: `q${from + n}`, container: '' }
        const kept = { ...snapshot, uuid: uuid.replace('-8000-', '-9000-'), rev: 0, instance: uuid }
        const changes = [
          { change: 'put' as const, noun: 'instance' as const, record: copy },
          { change: 'put' as const, noun: 'snapshot' as const, record: kept },
        ]
        return records.write({ changes, at: Date.now() })
      }),
    )
}

async function drain(tally: Tally, count: number): Promise<void> {
  await using windlass = await startWindlass({ workers: 2 })
  await publishStarterImage(windlass.socket, await staticBusybox())
  await using audit = await openAudit(windlass)
  await makeRecords(windlass, audit, count)
  await delay(2_000)
  const before = await residentOf(windlass.api.pid)
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => openClient(windlass.socket)))
  const ids: string[] = []
  const took: number[] = []
  let next = 0
  const began = performance.now()
  await Promise.all(
    clients.map(async (client) => {
      for (let n = next++; n < count; n = next++) {
        const sent = performance.now()
        const body = { expires_at: '2040-01-01T00:00:00Z' }
        const reply = await client.request(encodeRequest('PUT', `/1.0/instances/q${n}/snapshots/s`, body))
        took.push(performance.now() - sent)
        if (reply.status !== 202) throw new Error(`Answered with ${reply.status}: ${reply.text}`)
        ids.push(
          String(fieldOf(JSON.parse(reply.text), 'operation'))
            .split('/')
            .at(-1) ?? '',
        )
      }
    }),
  )
  const accepted = performance.now() - began
  for (const client of clients) client.close()
  for (const id of ids) await audit.ended(id)
  const drained = performance.now() - began
  const states = Map.groupBy(await audit.operations(ids), ({ state, attempts }) => `${state} after ${attempts}`)
  const counts = [...states].map(([state, all]) => `${all.length} ${state}`).join(', ')
  const peak = await grownSince(windlass, before)
  const grown = await calmed(windlass, before)
  const rate = (ms: number): number => Math.round((count * 1000) / ms)
  tally.note(`${count} accepted at ${rate(accepted)}/s, p99 ${Math.round(quantile(took, 0.99))} ms`)
  tally.note(`all ended at ${rate(drained)}/s; resident memory of the API ${peak} MiB more, ${grown} MiB when calm`)
  if (counts !== `${count} success after 1` || new Set(ids).size !== count) await tally.failed('drain', { counts })
  else tally.passed(drained)
}

/** MiB. */
async function grownSince({ api }: TestWindlass, before: number): Promise<number> {
  return Math.round(((await residentOf(api.pid)) - before) / 2 ** 20)
}

/** What flat is, MiB; and the milliseconds within which a process gives back what its work has left behind. */
const FLAT = 50
const GIVEN_BACK = 40_000

/** The same once it is flat, or after the time for it. */
async function calmed(windlass: TestWindlass, before: number): Promise<number> {
  const last = performance.now() + GIVEN_BACK
  for (;;) {
    const grown = await grownSince(windlass, before)
    if (grown <= FLAT || performance.now() > last) return grown
    await delay(1_000)
  }
}

export const queued: Line = {
  name: 'F10',
  what: '10,000 operations queued over 50 connections while two workers drain them',
  minutes: 3,
  run: ({ tally, length }) => attempt(tally, 'drain', () => drain(tally, length === 'short' ? 500 : 10_000)),
}

interface Reader {
  ids: string[]
  bytes: number
  text: string
  isOver: boolean
  answer: IncomingMessage
}

/** Follows the events; only the ids and what is told of gaps is kept. */
function follow(socketPath: string, after?: string): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const resume = after === undefined ? {} : { 'last-event-id': after.replace('id: ', '') }
    const headers = { accept: 'text/event-stream', ...resume }
    const sent = request({ socketPath, path: '/1.0/events?type=operation', headers, agent: false }, (answer) => {
      const reader: Reader = { ids: [], bytes: 0, text: '', isOver: false, answer }
      let rest = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        reader.bytes += chunk.length
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          if (line.startsWith('id: ')) reader.ids.push(line)
          if (line.startsWith('event: gap')) reader.text += line
        }
      })
      for (const event of ['end', 'close', 'error']) answer.on(event, () => (reader.isOver = true))
      resolve(reader)
    })
    sent.on('error', reject)
    sent.end()
  })
}

const root = { root: { type: 'disk', path: '/', pool: 'default' } }
const bare = (name: string) => ({ name, source: { type: 'none' }, profiles: [], devices: root })

/** All ask for the end of one operation that is held until they do. */
async function waitTogether(windlass: TestWindlass, tally: Tally, waiters: number): Promise<void> {
  const accepted = await windlass.call('POST', '/1.0/instances', bare('awaited'))
  const [worker] = windlass.workers
  await worker?.holds([POINT])
  let released = 0
  const statuses = new Set<string>()
  const waiting = Array.from({ length: waiters }, async () => {
    const { status } = await windlass.ended(accepted)
    tally.passed(performance.now() - released)
    statuses.add(status)
  })
  // Long enough for all to have asked; one that asks later is answered as well.
  await delay(waiters)
  released = performance.now()
  worker?.letGo(POINT)
  await Promise.all(waiting)
  if ([...statuses].join('') !== 'Success') await tally.failed('waiters', { statuses: [...statuses] })
}

/** Milliseconds after which a reader that owes something is dropped, and some more. */
const TOO_SLOW = 13_000

async function crowd(tally: Tally, waiters: number, readers: number): Promise<void> {
  await using windlass = await startWindlass({ workers: 1, env: { WINDLASS_TEST_POINT: POINT } })
  const before = await residentOf(windlass.api.pid)
  const all = await Promise.all(Array.from({ length: readers }, () => follow(windlass.socket)))
  const [slow, ...quick] = all
  slow?.answer.pause()
  await waitTogether(windlass, tally, waiters)
  // Some kilobytes of events each: more than the sockets between them and a reader hold.
  for (let n = 0; n < 300; n++) await windlass.operate('POST', '/1.0/instances', bare(`e${n}`))
  await delay(TOO_SLOW)
  slow?.answer.resume()
  await delay(1_000)
  const grown = await grownSince(windlass, before)
  tally.note(
    `${readers} readers of ${quick[0]?.ids.length} events, ${quick[0]?.bytes} bytes each; resident memory of the API ${grown} MiB more`,
  )
  // What it was sent before it was dropped it has; from there on it goes on.
  const resumed = await follow(windlass.socket, slow?.ids.at(-1))
  const newest = quick[0]?.ids.at(-1)
  const isTold = async () => (resumed.ids.at(-1) === newest ? true : undefined)
  // What it got until then is judged below.
  await until(15_000, isTold, () => new Error('The resumed reader was not told all')).catch(() => undefined)
  const faults = [...judgeReaders(slow, quick), ...judgeResumed([slow, resumed], quick)]
  if (faults.length > 0) await tally.failed('readers', { faults, lengths: quick.map(({ ids }) => ids.length) })
  for (const { answer } of [...all, resumed]) answer.destroy()
}

function judgeReaders(slow: Reader | undefined, quick: readonly Reader[]): string[] {
  const told = new Set(quick.map(({ ids }) => ids.join()))
  return [
    ...(told.size === 1 ? [] : [`The readers were told ${told.size} different things`]),
    ...(quick.some(({ isOver, text }) => isOver || text !== '') ? ['A quick reader was dropped'] : []),
    ...(slow?.isOver === true ? [] : ['The slow reader was not dropped']),
  ]
}

/** Together they were told what the others were. */
function judgeResumed(parts: readonly (Reader | undefined)[], [quick]: readonly Reader[]): string[] {
  const ids = parts.flatMap((part) => part?.ids ?? [])
  if (ids.join() === quick?.ids.join()) return []
  return [`The slow reader got ${parts.map((part) => part?.ids.length).join(' and then ')} events`]
}

export const crowded: Line = {
  name: 'F11',
  what: '1,000 waiters for one operation and 500 readers of events, one of which does not read; ms until told',
  minutes: 2,
  run: ({ tally, length }) =>
    attempt(tally, 'crowd', () => (length === 'short' ? crowd(tally, 100, 50) : crowd(tally, 1_000, 500))),
}
