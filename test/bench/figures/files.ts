/** What the real lxc makes of files: how long a small one takes, and how fast a large one goes in and comes out. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { callAndWait } from '../../../src/setup/api-client.ts'
import { makeTar } from '../../ports/tar-samples.ts'
import { askEngine } from '../../support/ask-engine.ts'
import { openLxc } from '../lxc-command.ts'
import { memoryDuring } from '../memory-watch.ts'
import { type Row, times } from '../report.ts'
import { compareShort } from '../short-command.ts'
import { median, timed } from '../statistics.ts'
import { type Measured } from '../subject.ts'
import { IMAGE, newInstance } from '../tiny.ts'

const LARGE = 1_000_000_000
const ROUNDS = 3

type Command = (...words: string[]) => Promise<unknown>

/** A small push beside the engine's calls for it; a large push and a large pull, by lxc and curl, beside `docker cp`. */
export async function measureFiles(measured: Measured, runs: number): Promise<Row[]> {
  const { windlass, lxd } = measured
  // On connections of their own: one that is kept would be closed while the large ones are on their way.
  const operate = (method: string, path: string, body?: object) =>
    callAndWait(windlass.socket, { method, path, ...(body && { body }) })
  await operate('POST', '/1.0/instances', { ...newInstance('files'), start: true })
  const cwd = await mkdtemp(join(tmpdir(), 'windlass-bench-'))
  const lxc = await openLxc(windlass)
  await lxd?.lxc.run('launch', IMAGE, 'files')
  const byLxd: Command | undefined = lxd && ((...words) => lxd.lxc.runIn(cwd, 'file', ...words))
  const byLxc: Command = (...words) => lxc.runIn(cwd, 'file', ...words)
  const byDocker: Command = (...words) =>
    promisify(execFile)('docker', ['-H', windlass.engine.dockerHost, 'cp', ...words], { cwd })
  try {
    await writeFile(join(cwd, 'small'), 'small')
    await writeFile(join(cwd, 'large'), '')
    await truncate(join(cwd, 'large'), LARGE)
    const tar = await makeTar({ name: 'bare', body: 'small' })
    const url = 'http://windlass/1.0/instances/files/files?path=/root/by-curl'
    const byCurl = (...words: string[]) =>
      promisify(execFile)('curl', ['-sSf', '--unix-socket', windlass.socket, ...words, url], { cwd })
    return [
      await compareShort(
        {
          what: 'lxc file push of 5 bytes',
          recorded: 11.3,
          byLxc: () => byLxc('push', 'small', 'files/root/small'),
          byLxd: byLxd && (() => byLxd('push', 'small', 'files/root/small')),
          bare: () => pushBare(windlass.engine.socket, tar),
          least: () => lxc.run('query', '/1.0'),
        },
        runs,
      ),
      ...(await compareLarge(windlass.api.pid, 'push', {
        curl: () => byCurl('-X', 'POST', '-H', 'content-type: application/octet-stream', '-T', 'large'),
        windlass: () => byLxc('push', 'large', 'files/root/large'),
        docker: () => byDocker('large', 'files.lxd:/root/copied'),
        ...(byLxd !== undefined && { lxd: () => byLxd('push', 'large', 'files/root/large') }),
      })),
      ...(await compareLarge(windlass.api.pid, 'pull', {
        curl: () => byCurl('-o', 'by-curl'),
        windlass: () => byLxc('pull', 'files/root/large', 'pulled'),
        docker: () => byDocker('files.lxd:/root/copied', 'copied'),
        ...(byLxd !== undefined && { lxd: () => byLxd('pull', 'files/root/large', 'pulled') }),
      })),
    ]
  } finally {
    await rm(cwd, { recursive: true, force: true })
    await operate('PUT', '/1.0/instances/files/state', { action: 'stop', force: true })
    await operate('DELETE', '/1.0/instances/files')
    await lxd?.lxc.run('delete', '--force', 'files')
  }
}

/** The calls for a small file: what is there, whose it is, then the file as tar. */
async function pushBare(socket: string, tar: Buffer): Promise<void> {
  await askEngine(socket, 'HEAD', '/containers/files.lxd/archive?path=/root/bare')
  await askEngine(socket, 'GET', '/containers/files.lxd/archive?path=/root/bare')
  const written = await askEngine(socket, 'PUT', '/containers/files.lxd/archive?path=/root', tar)
  if (written.status !== 200) throw new Error(written.text)
}

async function compareLarge(
  api: number,
  what: string,
  commands: Record<'windlass' | 'curl' | 'docker', () => Promise<unknown>> & { lxd?: () => Promise<unknown> },
): Promise<Row[]> {
  const rates = { windlass: [] as number[], curl: [] as number[], docker: [] as number[], lxd: [] as number[] }
  const more = await memoryDuring(api, async () => {
    for (let round = 0; round < ROUNDS; round++)
      for (const which of ['windlass', 'docker', 'curl', 'lxd'] as const) {
        const command = commands[which]
        if (command !== undefined) rates[which].push(LARGE / 1000 / (await timed(command)))
      }
  })
  const rate = (which: keyof typeof rates) => `${Math.round(median(rates[which]))} MB/s`
  const row = { yardstick: `${rate('docker')} docker cp`, target: '≥ × 0.80' }
  return [
    {
      ...row,
      figure: `lxc file ${what}, 1 GB, p50 (n = ${ROUNDS})`,
      windlass: `${rate('windlass')}; API process +${Math.round(more)} MB at most`,
      result: times(median(rates.windlass) / median(rates.docker)),
      lxd: commands.lxd === undefined ? '' : `${rate('lxd')}, same run`,
    },
    {
      ...row,
      figure: `The same ${what} by curl`,
      windlass: rate('curl'),
      result: times(median(rates.curl) / median(rates.docker)),
      lxd: '',
    },
  ]
}
