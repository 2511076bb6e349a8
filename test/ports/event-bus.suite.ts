import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EventBus, LogEvent } from '../../src/core/ports.ts'
import { until } from '../support/processes.ts'
import { acceptance, alias, ending, lifecycle, putAlias, running, type Stores, submit } from './samples.ts'

export interface BusUnderTest {
  bus: EventBus
  stores: Stores
  close(): Promise<void>
}

const line = { message: 'ü "x"', level: 'info', context: { empty: '' } }
const at = 1_763_731_200_000

/** Waits until as many events were heard. */
export function heard(events: LogEvent[], count: number): Promise<LogEvent[]> {
  return until(
    10_000,
    () => Promise.resolve(events.length >= count ? events : undefined),
    () => new Error(`Heard ${events.length} events, not ${count}`),
  )
}

/** What every event bus does. `open` gives the bus of a new deployment. */
export function eventBusSuite(open: () => Promise<BusUnderTest>): void {
  let under: BusUnderTest
  let bus: EventBus
  beforeEach(async () => {
    under = await open()
    bus = under.bus
  })
  afterEach(() => under.close())

  describe('the bus', () => {
    test('tells every listener everything from now on, in order, until it stops', async () => {
      await bus.log(line, 'default', at)
      const [first, second]: [LogEvent[], LogEvent[]] = [[], []]
      const stop = bus.subscribe((event) => first.push(event))
      bus.subscribe((event) => second.push(event))
      const own = await running(under.stores)
      await under.stores.records.write({ changes: [putAlias(alias())], at })
      await under.stores.operations.end(own, ending({ lifecycle: [lifecycle('instance-created')] }))
      const all = (await bus.since('0-0', 100)).events
      const types = ['operation', 'operation', 'record', 'operation', 'lifecycle']
      // The line was there before; whether it is still heard depends on how far the bus had read.
      const news = async (events: LogEvent[]) => (await heard(events, 5)).filter(({ type }) => type !== 'logging')
      await heard(first, 5)
      expect((await news(second)).map(({ type }) => type)).toEqual(types)
      expect(await news(first)).toEqual(all.slice(1))
      stop()
      await bus.log(line, 'default', at)
      const before = first.length
      await until(
        5_000,
        () => Promise.resolve(second.at(-1)?.type === 'logging' || undefined),
        () => new Error('Not heard'),
      )
      expect(first).toHaveLength(before)
    })

    test('a listener that throws harms no other', async () => {
      const events: LogEvent[] = []
      bus.subscribe(() => {
        throw new Error('mine')
      })
      bus.subscribe((event) => events.push(event))
      await submit(under.stores)
      expect(await heard(events, 1)).toMatchObject([{ type: 'operation' }])
    })

    test('resumes from an id', async () => {
      expect(await bus.cursor()).toBe('0-0')
      expect(await bus.since('0-0', 10)).toEqual({ events: [], complete: true })
      for (const message of ['a', 'b', 'c']) await bus.log({ ...line, message }, 'p1', at)
      const { events, complete } = await bus.since('0-0', 10)
      expect(complete).toBe(true)
      expect(events).toMatchObject(
        ['a', 'b', 'c'].map((message) => ({ type: 'logging', project: 'p1', at, line: { ...line, message } })),
      )
      expect(await bus.since(events[0]?.id ?? '', 1)).toEqual({ events: events.slice(1, 2), complete: true })
      expect(await bus.since(await bus.cursor(), 10)).toEqual({ events: [], complete: true })
      expect(await bus.cursor()).toBe(events[2]?.id)
    })

    test('refuses what is no id, and knows ids of a log that was lost', async () => {
      await expect(bus.since('x', 10)).rejects.toMatchObject({ code: 'bad-request' })
      await bus.log(line, '', at)
      expect(await bus.since('99999999999999-0', 10)).toEqual({ events: [], complete: false })
    })

    test('a cancel is told to those who may perform the operation', async () => {
      const own = await running(under.stores, acceptance({}, { project: 'p1' }))
      const events: LogEvent[] = []
      bus.subscribe((event) => events.push(event))
      await under.stores.operations.cancel(own.id, { by: lifecycle('x').requestor, at })
      const cancels = async () => (await heard(events, 2)).filter(({ type }) => type === 'cancel')
      expect(await cancels()).toMatchObject([{ operation: own.id, project: 'p1' }])
    })
  })
}
