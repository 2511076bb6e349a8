/** F9: the engine's disk has no room for what is asked. */
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { emptyDisk, fillDisk } from '../../support/small-disk.ts'
import { fieldOf } from '../../../src/setup/api-client.ts'
import { downloadApi } from '../../support/download.ts'
import { openBed, type Bed } from '../bed.ts'
import { look } from '../look.ts'
import { clear, makeKit, type Kit } from '../scenario-kit.ts'
import { attempt, logsOf, type Line } from '../stage.ts'
import type { Tally } from '../tally.ts'

/** MiB: the engine's disk, what is left of it, and what is written. */
const DISK = 800
const FREE = 12
const BIG = 40

/** `upload`: what was made before the disk was full. */
type Send = (kit: Kit, name: string, upload: Buffer) => ReturnType<Kit['call']>

/** Each needs as much room as the instance or the upload has. */
const ASKED: Record<string, Send> = {
  'backup.create': ({ call }, name) =>
    call('POST', `/1.0/instances/${name}/backups`, { name: 'b1', compression_algorithm: 'none' }),
  'instance.import': ({ call }, name, upload) => call('POST', '/1.0/instances', upload, { 'x-lxd-name': `${name}b` }),
  'snapshot.create': ({ call }, name) => call('POST', `/1.0/instances/${name}/snapshots`, { name: 's1' }),
  'instance.copy': ({ call }, name) =>
    call('POST', '/1.0/instances', { name: `${name}b`, source: { type: 'copy', source: name } }),
  'image.publish': ({ call }, name) =>
    call('POST', '/1.0/images', { source: { type: 'instance', name }, aliases: [{ name: `${name}i` }] }),
  'instance.update': ({ call }, name) =>
    call('PUT', `/1.0/instances/${name}`, { config: { 'environment.A': 'b' }, devices: {}, profiles: ['default'] }),
  'snapshot.restore': ({ call }, name) => call('PUT', `/1.0/instances/${name}`, { restore: 's0' }),
  'image.import': ({ call }, name) =>
    call('POST', '/1.0/images', gzipSync(Buffer.alloc(BIG * 2 ** 20), { level: 0 }), {
      'x-lxd-properties': `tag=${name}`,
    }),
}

/** A running instance with so much in its files and in its volume, and a snapshot of all that. */
async function makeBig(kit: Kit, name: string): Promise<void> {
  await kit.make(name, { type: 'image', alias: 'volume' }, true)
  const write = ['/root/big', '/data/big'].map((file) => `dd if=/dev/zero of=${file} bs=1M count=${BIG}`).join('; ')
  await kit.operate('POST', `/1.0/instances/${name}/exec`, { command: ['sh', '-c', write], 'record-output': true })
  await kit.operate('POST', `/1.0/instances/${name}/snapshots`, { name: 's0' })
}

/** The instance alone, as a client has it. */
async function exported(kit: Kit, name: string): Promise<Buffer> {
  const at = `/1.0/instances/${name}/backups`
  await kit.operate('POST', at, { name: 'b0', compression_algorithm: 'none', instance_only: true })
  const tarball = await downloadApi(kit.bed.windlass.socket, `${at}/b0/export`)
  await kit.operate('DELETE', `${at}/b0`)
  return tarball
}

async function withoutRoom(bed: Bed, tally: Tally, what: string, send: Send): Promise<void> {
  const kit = makeKit(bed)
  const name = `d-${what.replace('.', '-')}`
  const data = join(dirname(bed.windlass.engine.socket), 'data')
  const work = async (): Promise<void> => {
    await makeBig(kit, name)
    const upload = what === 'instance.import' ? await exported(kit, name) : Buffer.alloc(0)
    const before = await look(bed, name)
    await fillDisk(data, FREE)
    const answer = await send(kit, name, upload)
    const ended = await bed.ended(answer)
    const seen = await look(bed, name)
    await emptyDisk(data)
    const cause = ended?.err ?? String(fieldOf(answer.body, 'error'))
    const faults: string[] = []
    if (ended?.state === 'success' || answer.status === 200) faults.push('It succeeded')
    if (!/no space left/i.test(cause)) faults.push(`The cause is not told: ${answer.status} ${cause}`)
    if (seen !== before) faults.push(`Users see ${seen} instead of ${before}`)
    if (faults.length > 0) await tally.failed(what, { faults, answer, ended, logs: logsOf(bed) })
    else tally.passed()
    await clear(bed, name)
  }
  await attempt(tally, what, work, bed)
  await emptyDisk(data)
}

export const fullDisk: Line = {
  name: 'F9',
  what: 'what does not fit on the disk of the engine',
  minutes: 4,
  run: async ({ tally, random, length, mayBegin }) => {
    await using bed = await openBed({ random, workers: 2, engine: { diskMiB: DISK } })
    const all = random.shuffled(Object.entries(ASKED))
    for (const [what, send] of length === 'short' ? all.slice(0, 1) : all)
      if (mayBegin()) await withoutRoom(bed, tally, what, send)
    for (const one of await bed.audit.settled()) await tally.failed(one.what, one)
  },
}
