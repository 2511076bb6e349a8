import type { Reading, ReadingStore } from '../core/ports.ts'
import type { Database } from './scripts.ts'

/** Milliseconds: how far back readings go, and how far apart they are. */
const WINDOW = 5 * 3_600_000
const INTERVAL = 10_000
const SLOTS = WINDOW / INTERVAL
const FIELDS = 6
const WIDTH = FIELDS * Float64Array.BYTES_PER_ELEMENT
const SIZE = SLOTS * WIDTH
/** What nobody adds to any more is forgotten after this; set again so often. */
const LIFE = WINDOW + 600_000
const RENEWED = 600_000

/**
 * One string per key: a ring of slots that are written in turn and hold six doubles each. 86 kB, and never more: a
 * reading takes the place of the one five hours before.
 */
export function createRedisReadingStore({ connection, keys }: Database): ReadingStore {
  const ring = (key: string) => keys.key('readings', key)
  const wanted = keys.key('readings-wanted')
  /** When the life of a ring was last set by this process. */
  let renewed = new Map<string, number>()

  async function add(readings: ReadonlyMap<string, Reading>): Promise<void> {
    if (readings.size === 0) return
    const alive = new Map<string, number>()
    await connection.run(async (redis) => {
      const batch = redis.pipeline()
      for (const [key, reading] of readings) {
        const last = renewed.get(key) ?? Number.NEGATIVE_INFINITY
        const isDue = reading.at - last >= RENEWED
        // The byte behind the last slot makes a new ring as large as it gets, and no larger.
        if (isDue) batch.setrange(ring(key), SIZE, '\0').pexpire(ring(key), LIFE)
        batch.setrange(ring(key), slotOf(reading.at) * WIDTH, encode(reading))
        alive.set(key, isDue ? reading.at : last)
      }
      for (const [error] of (await batch.exec()) ?? []) if (error) throw error
    })
    renewed = alive
  }

  async function list(key: string, now: number): Promise<Reading[]> {
    const bytes = await connection.run((redis) => redis.getBuffer(ring(key)))
    return bytes === null ? [] : decode(bytes, now)
  }

  return {
    add,
    list,
    want: async (ms) => (await connection.run((redis) => redis.set(wanted, '1', 'PX', ms, 'GET'))) === null,
    isWanted: async () => (await connection.run((redis) => redis.exists(wanted))) === 1,
  }
}

function slotOf(at: number): number {
  return Math.floor(at / INTERVAL) % SLOTS
}

function encode(reading: Reading): Buffer {
  const { at, memoryBytes, memoryLimitBytes, cpuNanoseconds, receivedBytes, sentBytes } = reading
  const bytes = Buffer.alloc(WIDTH)
  for (const [index, value] of [at, memoryBytes, memoryLimitBytes, cpuNanoseconds, receivedBytes, sentBytes].entries())
    bytes.writeDoubleLE(value, index * Float64Array.BYTES_PER_ELEMENT)
  return bytes
}

/** Slots that were not written in this round still hold what is older than the window. */
function decode(bytes: Buffer, now: number): Reading[] {
  const readings: Reading[] = []
  for (let start = 0; start + WIDTH <= bytes.length; start += WIDTH) {
    const at = bytes.readDoubleLE(start)
    const value = (index: number): number => bytes.readDoubleLE(start + index * Float64Array.BYTES_PER_ELEMENT)
    if (at > now - WINDOW && at <= now)
      readings.push({
        at,
        memoryBytes: value(1),
        memoryLimitBytes: value(2),
        cpuNanoseconds: value(3),
        receivedBytes: value(4),
        sentBytes: value(5),
      })
  }
  return readings.toSorted((a, b) => a.at - b.at)
}
