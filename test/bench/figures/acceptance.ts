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

/**
 * On a deployment of its own without workers, which is thrown away afterwards: creates with distinct names, without an
 * image and a NIC, so that each one is legal.
 */
export async function measureAcceptance(): Promise<Row[]> {
  await using measured = await startMeasured(0)
  const { redis, dataDir } = measured.windlass
  await using bare = await startBare(join(dataDir, 'bare.sock'), redis.socket)
  const rows: Row[] = []
  let made = 0
  const ours: Load = { ...loadOf(measured.windlass.socket), request: () => creation(`made-${made++}`) }
  await redis.command('CONFIG', 'SET', 'appendfsync', 'everysec')
  await measureRate({ ...ours, ms: WARM_UP })
  for (const mode of ['everysec', 'always'] as const) {
    await redis.command('CONFIG', 'SET', 'appendfsync', mode)
    rows.push(await measureMode(measured, bare, { mode, ours }))
  }
  return rows
}

function loadOf(socket: string): Omit<Load, 'request'> {
  return { socket, connections: CONNECTIONS, ms: 2_500, expect: 202 }
}

function creation(name: string): Buffer {
  const root = { root: { type: 'disk', path: '/', pool: 'default' } }
  return encodeRequest('POST', '/1.0/instances', { source: { type: 'none' }, profiles: [], devices: root, name })
}

async function measureMode(
  { client }: Measured,
  bare: Bare,
  { mode, ours }: { mode: keyof typeof TARGETS; ours: Load },
): Promise<Row> {
  const first = await client.request(ours.request(0))
  if (first.status !== 202) throw new Error(`Expected 202, got ${first.status}: ${first.text}`)
  await bare.answer('accepted', first.text)
  const same = Buffer.from(creation('a-name-as-long').toString().replace('/1.0/instances', '/store/accepted'))
  const theirs: Load = { ...loadOf(bare.socket), request: () => same }
  const rates = await compareRates(ours, theirs)
  return {
    figure: `Operations accepted, ${CONNECTIONS} connections, appendfsync ${mode} (creates without image and NIC, no workers)`,
    windlass: `${perSecond(rates.ours.perSecond)}, p50 ${ms(rates.ours.p50)}, p99 ${ms(rates.ours.p99)}`,
    yardstick: `${perSecond(rates.theirs.perSecond)} bare Fastify and one SET`,
    result: times(rates.ours.perSecond / rates.theirs.perSecond),
    target: `≥ ${perSecond(TARGETS[mode])}`,
    lxd: '',
  }
}
