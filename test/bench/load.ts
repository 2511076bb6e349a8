/** Requests per second of a closed loop: so many connections, each with one request in flight. */
import { openClient } from './client.ts'
import { quantile } from './statistics.ts'

export interface Load {
  socket: string
  connections: number
  /** Milliseconds that count, after as many as warm-up: until then much of the code has not been compiled. */
  ms: number
  /** The status of a good answer. */
  expect: number
  /** The n-th request, encoded. */
  request(n: number): Buffer
}

export interface Rate {
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/** Runs the loop; an answer with another status ends it with its text. */
export async function measureRate(load: Load): Promise<Rate> {
  const clients = await Promise.all(Array.from({ length: load.connections }, () => openClient(load.socket)))
  const from = performance.now() + load.ms
  const until = from + load.ms
  const latencies: number[] = []
  let sent = 0
  try {
    await Promise.all(
      clients.map(async (client) => {
        for (let began = performance.now(); began < until;) {
          const reply = await client.request(load.request(sent++))
          const ended = performance.now()
          if (reply.status !== load.expect) throw new Error(`Answer ${reply.status} under load: ${reply.text}`)
          if (began >= from && ended <= until) latencies.push(ended - began)
          began = ended
        }
      }),
    )
  } finally {
    for (const client of clients) client.close()
  }
  return {
    perSecond: (latencies.length * 1000) / load.ms,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  }
}

/** Two loads in turns, so that what changes on the machine meanwhile hits both; the mean of each. */
export async function compareRates(ours: Load, theirs: Load, turns = 2): Promise<{ ours: Rate; theirs: Rate }> {
  const rates: { ours: Rate; theirs: Rate }[] = []
  for (let turn = 0; turn < turns; turn++)
    rates.push({ ours: await measureRate(ours), theirs: await measureRate(theirs) })
  return { ours: meanOf(rates.map(({ ours: rate }) => rate)), theirs: meanOf(rates.map(({ theirs: rate }) => rate)) }
}

function meanOf(rates: readonly Rate[]): Rate {
  const mean = (pick: (rate: Rate) => number): number => rates.reduce((sum, rate) => sum + pick(rate), 0) / rates.length
  return { perSecond: mean((rate) => rate.perSecond), p50: mean((rate) => rate.p50), p99: mean((rate) => rate.p99) }
}
