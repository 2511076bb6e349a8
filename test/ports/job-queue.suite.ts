import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JobQueue, JobSource, Ticket, Turn } from '../../src/core/ports.ts'
import { operationId } from './samples.ts'
import { until } from '../support/processes.ts'

export type PerformTurn = (ticket: unknown, turn: Turn) => Promise<void>

/** A queue of a deployment of its own, and sources that take from it. */
export interface QueueUnderTest {
  queue: JobQueue
  openSource(settings: { members: string[]; concurrency: number; perform: PerformTurn }): Promise<JobSource>
  close(): Promise<void>
}

export function ticket(over: Partial<Ticket> = {}): Ticket {
  return { id: operationId(), kind: 'instance.start', epoch: 1, ...over }
}

/** What every job queue and its source do. `open` gives the queue of a new deployment. */
export function jobQueueSuite(open: () => Promise<QueueUnderTest>): void {
  let under: QueueUnderTest
  let queue: JobQueue
  const sources: JobSource[] = []
  beforeEach(async () => {
    under = await open()
    queue = under.queue
  })
  afterEach(async () => {
    await Promise.all(sources.splice(0).map((source) => source.close(0)))
    await under.close()
  })

  async function take(perform: PerformTurn, members = ['m1'], concurrency = 4): Promise<JobSource> {
    const source = await under.openSource({ members, concurrency, perform })
    sources.push(source)
    return source
  }

  const isGone = (id: string, member = 'm1') =>
    until(
      10_000,
      async () => ((await queue.has(member, id)) ? undefined : true),
      () => new Error('The job is still there'),
    )

  describe('the queue', () => {
    test('keeps a job until someone takes or drops it', async () => {
      const one = ticket()
      await queue.add('m1', one)
      expect(await queue.has('m1', one.id)).toBe(true)
      expect(await queue.has('m2', one.id)).toBe(false)
      expect(await queue.counts('m1')).toEqual({ waiting: 1, active: 0, workers: 0 })
      await queue.drop('m1', one.id)
      await queue.drop('m1', one.id)
      expect(await queue.has('m1', one.id)).toBe(false)
      expect(await queue.counts('m1')).toEqual({ waiting: 0, active: 0, workers: 0 })
    })

    test('an operation has one job; that of a higher epoch takes its place', async () => {
      const one = ticket()
      await queue.add('m1', one)
      await queue.add('m1', one)
      expect((await queue.counts('m1')).waiting).toBe(1)
      await queue.add('m1', { ...one, epoch: 2 })
      const { promise, resolve } = Promise.withResolvers<unknown>()
      await take((given) => Promise.resolve(resolve(given)))
      expect(await promise).toEqual({ ...one, epoch: 2 })
    })
  })

  describe('the source', () => {
    test('hands over the ticket with a turn, once; then the job is gone', async () => {
      const seen: [unknown, Turn][] = []
      await take((given, turn) => {
        seen.push([given, turn])
        return Promise.resolve()
      })
      const tickets = [ticket(), ticket(), ticket()]
      for (const each of tickets) await queue.add('m1', each)
      for (const { id } of tickets) await isGone(id)
      expect(seen.map(([given]) => given)).toEqual(tickets)
      for (const [, turn] of seen) expect(turn).toMatchObject({ attempt: 1, signal: { aborted: false } })
      expect((await queue.counts('m1')).workers).toBe(1)
    })

    test('performs only so many at a time over all its members', async () => {
      let [now, most] = [0, 0]
      await take(
        async () => {
          most = Math.max(most, ++now)
          await new Promise((resolve) => setTimeout(resolve, 20))
          now -= 1
        },
        ['m1', 'm2'],
        2,
      )
      const tickets = Array.from({ length: 12 }, () => ticket())
      await Promise.all(tickets.map((each, n) => queue.add(n % 2 === 0 ? 'm1' : 'm2', each)))
      for (const [n, { id }] of tickets.entries()) await isGone(id, n % 2 === 0 ? 'm1' : 'm2')
      expect(most).toBe(2)
    })

    test('aborts the turn of an operation that is cancelled, and no other', async () => {
      const reasons: Record<string, unknown> = {}
      const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let count = 0
      const source = await take(async (given, { signal }) => {
        begun[count++]?.resolve()
        await once(signal, 'abort')
        reasons[String(Object(given).id)] = signal.reason
      })
      const [one, two] = [ticket(), ticket()]
      await queue.add('m1', one)
      await queue.add('m1', two)
      await Promise.all(begun.map(({ promise }) => promise))
      source.abort(one.id, 'cancelled')
      await isGone(one.id)
      expect(reasons).toEqual({ [one.id]: 'cancelled' })
      expect(await queue.has('m1', two.id)).toBe(true)
    })

    test('one that is cancelled while it waits for its turn still gets it', async () => {
      const begun = Promise.withResolvers<void>()
      const done = Promise.withResolvers<void>()
      const reasons: unknown[] = []
      const source = await take(
        async (_, { signal }) => {
          begun.resolve()
          await done.promise
          reasons.push(signal.reason)
        },
        ['m1', 'm2'],
        1,
      )
      const [one, two] = [ticket(), ticket()]
      await queue.add('m1', one)
      await begun.promise
      await queue.add('m2', two)
      await until(
        5_000,
        async () => (await queue.counts('m2')).active === 1 || undefined,
        () => new Error('Not active'),
      )
      // Active in the queue is a little before known to the source.
      await new Promise((resolve) => setTimeout(resolve, 50))
      source.abort(two.id, 'cancelled')
      done.resolve()
      await isGone(two.id, 'm2')
      expect(reasons).toEqual([undefined, 'cancelled'])
    })

    test('a turn that throws leaves no job behind', async () => {
      await take(() => Promise.reject(new Error('lost')))
      const one = ticket()
      await queue.add('m1', one)
      await isGone(one.id)
      expect(await queue.counts('m1')).toMatchObject({ waiting: 0, active: 0 })
    })

    test('closing waits for turns that end in time', async () => {
      const begun = Promise.withResolvers<void>()
      const done = Promise.withResolvers<void>()
      let aborted = false
      const source = await take(async (_, { signal }) => {
        begun.resolve()
        await done.promise
        aborted = signal.aborted
      })
      const one = ticket()
      await queue.add('m1', one)
      await begun.promise
      const closed = source.close(10_000)
      done.resolve()
      await closed
      expect([aborted, await queue.has('m1', one.id)]).toEqual([false, false])
    })

    test('closing hands the others to the next source at once, and those that had no turn yet', async () => {
      const begun = Promise.withResolvers<void>()
      const reasons: unknown[] = []
      const source = await take(
        async (_, { signal }) => {
          begun.resolve()
          await once(signal, 'abort')
          reasons.push(signal.reason)
        },
        ['m1', 'm2'],
        1,
      )
      const [one, two] = [ticket(), ticket()]
      await queue.add('m1', one)
      await begun.promise
      await queue.add('m2', two)
      await until(
        5_000,
        async () => (await queue.counts('m2')).active === 1 || undefined,
        () => new Error('Not active'),
      )
      await source.close(50)
      expect(reasons).toEqual(['draining'])
      const attempts: Record<string, number> = {}
      await take(
        (given, { attempt }) => {
          attempts[String(Object(given).id)] = attempt
          return Promise.resolve()
        },
        ['m1', 'm2'],
      )
      await isGone(one.id)
      await isGone(two.id, 'm2')
      expect(attempts).toEqual({ [one.id]: 2, [two.id]: 2 })
    })
  })
}
