/** How many operations a second one API process accepts, with nobody performing them. */
import { type Bare, startBare } from '../bare-process.ts'
import { encodeRequest } from '../client.ts'
import { compareRates, type Load } from '../load.ts'
import { ms, perSecond, type Row, times } from '../report.ts'
import { startMeasured, type Measured } from '../subject.ts'
import { join } from 'node:path'

const CONNECTIONS = 32
const TARGETS = { everysec: 5_000, always: 4_000 } as const

/**
 * On a deployment of its own without workers, which is thrown away afterwards: creates with distinct names, without an
 * image and a NIC, so that each one is legal.
 */
export async function measureAcceptance(): Promise<Row[]> {
  await using measured = await startMeasured(0)
  const { redis, dataDir } = measured.windlass
  await using bare = await startBare(join(dataDir, 'bare.sock'), redis.socket)
  const rows: Row[] = []
  for (const mode of ['everysec', 'always'] as const) {
    await redis.command('CONFIG', 'SET', 'appendfsync', mode)
    rows.push(await measureMode(measured, bare, mode))
  }
  return rows
}

async function measureMode(measured: Measured, bare: Bare, mode: keyof typeof TARGETS): Promise<Row> {
  const root = { root: { type: 'disk', path: '/', pool: 'default' } }
  const body = { source: { type: 'none' }, profiles: [], devices: root }
  const first = await measured.client.request(
    encodeRequest('POST', '/1.0/instances', { ...body, name: `first-${mode}` }),
  )
  if (first.status !== 202) throw new Error(`Expected 202, got ${first.status}: ${first.text}`)
  await bare.answer('accepted', first.text)
  const load: Omit<Load, 'socket' | 'request'> = { connections: CONNECTIONS, ms: 2_500, expect: 202 }
  let made = 0
  const theirs = encodeRequest('POST', '/store/accepted', { ...body, name: 'a-name-as-long-as-the-others' })
  const rates = await compareRates(
    {
      ...load,
      socket: measured.windlass.socket,
      request: () => encodeRequest('POST', '/1.0/instances', { ...body, name: `${mode}-${made++}` }),
    },
    { ...load, socket: bare.socket, request: () => theirs },
  )
  return {
    figure: `Operations accepted, ${CONNECTIONS} connections, appendfsync ${mode} (creates without image and NIC, no workers)`,
    windlass: `${perSecond(rates.ours.perSecond)}, p50 ${ms(rates.ours.p50)}, p99 ${ms(rates.ours.p99)}`,
    yardstick: `${perSecond(rates.theirs.perSecond)} bare Fastify and one SET`,
    result: times(rates.ours.perSecond / rates.theirs.perSecond),
    target: `≥ ${perSecond(TARGETS[mode])}`,
    lxd: '',
  }
}
