/** F4 and F5: Redis dies, stands still, is full, or may not write, while clients go on. */
import { setTimeout as delay } from 'node:timers/promises'
import { emptyDisk, fillDisk } from '../../support/small-disk.ts'
import type { Bed } from '../bed.ts'
import type { Random } from '../random.ts'
import { attempt, logsOf, type Line } from '../stage.ts'
import type { Tally } from '../tally.ts'
import { startTraffic } from '../traffic.ts'

/** Makes Redis unfit for a while and well again. */
type Fault = (bed: Bed, random: Random) => Promise<void>

const death: Fault = async ({ windlass: { redis } }, random) => {
  await redis.kill()
  await delay(200 + random.below(1_500))
  await redis.restart()
  await redis.command('CONFIG', 'SET', 'appendfsync', random.pick(['always', 'everysec']))
}

const FAULTS: Record<string, Fault> = {
  freeze: async ({ windlass: { redis } }, random) => {
    redis.freeze()
    await delay(1_000 + random.below(9_000))
    redis.thaw()
  },
  oom: async ({ windlass: { redis } }, random) => {
    await redis.command('CONFIG', 'SET', 'maxmemory', '1mb')
    await delay(1_000 + random.below(3_000))
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')
  },
  readonly: async ({ windlass: { redis } }, random) => {
    await redis.command('REPLICAOF', '127.0.0.1', '1')
    await delay(1_000 + random.below(3_000))
    await redis.command('REPLICAOF', 'NO', 'ONE')
  },
  busy: async ({ windlass: { redis } }) => {
    await redis.command('CONFIG', 'SET', 'busy-reply-threshold', '200')
    await redis.command('EVAL', 'local n = 0 for i = 1, 300000000 do n = n + i end return 1', '0')
  },
  disk: async ({ windlass: { redis } }, random) => {
    await fillDisk(redis.directory, 0)
    await delay(2_000 + random.below(3_000))
    await emptyDisk(redis.directory)
    // With appendfsync always it ends itself rather than go on without its file.
    if ((await redis.command('PING').catch(() => '')) === '') await redis.restart()
  },
}

interface Round {
  name: string
  fault: Fault
  clients: number
}

/** Clients before, during and after the fault; all that was accepted is there, once. */
async function underFault(bed: Bed, tally: Tally, { name, fault, clients }: Round, random: Random): Promise<void> {
  const traffic = await startTraffic(bed, { clients, sockets: bed.sockets })
  await delay(300 + random.below(700))
  await fault(bed, random)
  const well = Date.now()
  while (traffic.lastAccepted() < well && Date.now() - well < 60_000) await delay(10)
  const took = traffic.lastAccepted() - well
  await delay(300)
  await traffic.stop()
  const faults = await traffic.judge()
  const odd = traffic.sent.filter(({ answers }) =>
    answers.some((one) => typeof one === 'string' || ![202, 409, 503].includes(one)),
  )
  for (const { answers, path } of odd) faults.push(`${path} was answered with ${answers.join(', ')}`)
  if (took < 0) faults.push('Nothing was accepted within 60 s after it was well again')
  if (faults.length > 0)
    return tally.failed(name, { faults: faults.slice(0, 20), sent: traffic.sent.length, logs: logsOf(bed) })
  slowest = Math.max(slowest, ...traffic.sent.map((one) => one.slowest))
  acknowledged += traffic.sent.length
  tally.passed(took)
}

let slowest = 0
let acknowledged = 0

function tell(tally: Tally): void {
  tally.note(`${acknowledged} acknowledged operations; the slowest refusal took ${Math.round(slowest)} ms`)
  slowest = 0
  acknowledged = 0
}

export const redisDies: Line = {
  name: 'F4',
  what: 'kill -9 of Redis under 20 clients; p50, p99, max from its return to the next acceptance',
  minutes: 6,
  run: async ({ bed: open, tally, random, length, mayBegin }) => {
    const bed = await open()
    const [most, clients] = length === 'short' ? [1, 5] : [50, 20]
    for (let n = 0; n < most && mayBegin(); n++)
      await attempt(
        tally,
        `kill ${n}`,
        () => underFault(bed, tally, { name: `kill ${n}`, fault: death, clients }, random),
        bed,
      )
    tell(tally)
  },
}

export const redisUnfit: Line = {
  name: 'F5',
  what: 'Redis stopped, out of memory, read-only, busy, its disk full; p50, p99, max until the next acceptance',
  minutes: 5,
  run: async ({ bed: open, tally, random, length, mayBegin }) => {
    const bed = await open()
    const all = random.shuffled(Object.entries(FAULTS))
    for (let n = 0; n < (length === 'short' ? 1 : 10) && mayBegin(); n++)
      for (const [name, fault] of all) {
        if (!mayBegin()) break
        await attempt(tally, name, () => underFault(bed, tally, { name, fault, clients: 5 }, random), bed)
      }
    tell(tally)
  },
}
