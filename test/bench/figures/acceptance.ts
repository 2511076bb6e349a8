/** How many operations a second one API process accepts, with nobody performing them. */
import { type Bare, startBare } from '../bare-process.ts'
import { encodeRequest } from '../client.ts'
import { compareRates, type Load, measureRate } from '../load.ts'
import { ms, perSecond, type Row, times } from '../report.ts'
import { startMeasured, type Measured } from '../subject.ts'
import { join } from 'node:path'

const CONNECTIONS = 32
const TARGETS = { everysec: 5_000, always: 4_000 } as const
/** Servers run for long: the first 20,000 or so meet much code that has not been compiled. Half of it, milliseconds. */
const WARM_UP = 4_000

/** What is asked for: what needs no checks but of itself, and what needs as many as can be. The n-th request of each. */
const KINDS = {
  'image pulls': (n: number) =>
    encodeRequest('POST', '/1.0/images', { source: { type: 'image', mode: 'pull', alias: `127.0.0.1:1/made-${n}:1` } }),
  'creates without image and NIC': (n: number) =>
    encodeRequest('POST', '/1.0/instances', {
      source: { type: 'none' },
      profiles: [],
      devices: { root: { type: 'disk', path: '/', pool: 'default' } },
      name: `made-${n}`,
    }),
}

/** On a deployment of its own without workers, which is thrown away afterwards: what is asked for is distinct, and so legal. */
export async function measureAcceptance(): Promise<Row[]> {
  await using measured = await startMeasured(0)
  const { redis, dataDir, socket } = measured.windlass
  await using bare = await startBare(join(dataDir, 'bare.sock'), redis.socket)
  const rows: Row[] = []
  let made = 0
  const loads = Object.entries(KINDS).map(([kind, nth]) => ({ kind, ...loadOf(socket, () => nth(made++)) }))
  await redis.command('CONFIG', 'SET', 'appendfsync', 'everysec')
  for (const load of loads) await measureRate({ ...load, ms: WARM_UP })
  for (const mode of ['everysec', 'always'] as const) {
    await redis.command('CONFIG', 'SET', 'appendfsync', mode)
    for (const load of loads) rows.push(await measureMode(measured, bare, { mode, load }))
  }
  return rows
}

function loadOf(socket: string, request: Load['request']): Load {
  return { socket, connections: CONNECTIONS, ms: 2_500, expect: 202, request }
}

async function measureMode(
  { client }: Measured,
  bare: Bare,
  { mode, load }: { mode: keyof typeof TARGETS; load: Load & { kind: string } },
): Promise<Row> {
  const request = load.request(0)
  const first = await client.request(request)
  if (first.status !== 202) throw new Error(`Expected 202, got ${first.status}: ${first.text}`)
  await bare.answer('accepted', first.text)
  const to = (path: string): Load => {
    const same = Buffer.from(request.toString().replace(/^POST \S+/, `POST ${path}`))
    return loadOf(bare.socket, () => same)
  }
  const set = await measureRate({ ...to('/store/accepted'), ms: 1_000 })
  const core = to('/accept/accepted')
  await measureRate({ ...core, ms: 1_000 })
  const rates = await compareRates(load, core)
  return {
    figure: `Operations accepted, ${CONNECTIONS} connections, appendfsync ${mode} (${load.kind}, no workers)`,
    windlass: `${perSecond(rates.ours.perSecond)}, p50 ${ms(rates.ours.p50)}, p99 ${ms(rates.ours.p99)}`,
    yardstick: `${perSecond(rates.theirs.perSecond)} bare Fastify, the same core, no checks; ${perSecond(set.perSecond)} one SET`,
    result: times(rates.ours.perSecond / rates.theirs.perSecond),
    target: `≥ ${perSecond(TARGETS[mode])}`,
    lxd: '',
  }
}
