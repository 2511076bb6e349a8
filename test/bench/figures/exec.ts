/** What the real lxc makes of a command in an instance: how long the shortest one takes, and how much passes through. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Call } from '../engine-calls.ts'
import { openLxc } from '../lxc-command.ts'
import { memoryDuring } from '../memory-watch.ts'
import { type Row, times } from '../report.ts'
import { compareShort } from '../short-command.ts'
import { median, timed } from '../statistics.ts'
import { type Measured } from '../subject.ts'
import { IMAGE, newInstance } from '../tiny.ts'

/** Bytes that go in and come out again. */
const PIPED = 200_000_000
const ROUNDS = 5
const PIPE = fileURLToPath(new URL('../pipe.ts', import.meta.url))

/** `lxc exec true` beside the engine's calls for it; `cat` by lxc and by a bare client beside `docker exec`. */
export async function measureExec(measured: Measured, runs: number): Promise<Row[]> {
  const { operate, engine, windlass, lxd } = measured
  const lxc = await openLxc(windlass)
  await operate('POST', '/1.0/instances', { ...newInstance('exec'), start: true })
  const containers = await engine<{ Id: string; Names: string[] }[]>('GET', '/containers/json')
  const id = containers.find(({ Names }) => Names.includes('/exec.lxd'))?.Id ?? ''
  await lxd?.lxc.run('launch', IMAGE, 'exec')
  try {
    const shortest = await compareShort(
      {
        what: 'lxc exec true',
        recorded: 27.9,
        byLxc: () => lxc.run('exec', 'exec', '--', 'true'),
        byLxd: lxd && (() => lxd.lxc.run('exec', 'exec', '--', 'true')),
        bare: () => bareExec(engine, id),
        least: () => lxc.run('query', '/1.0'),
      },
      runs,
    )
    const piped = await comparePiped(
      measured,
      {
        windlass: `${lxc.path} exec exec -- cat`,
        docker: `docker -H ${windlass.engine.dockerHost} exec -i ${id} cat`,
        ...(lxd !== undefined && { lxd: `LXD_SOCKET=${lxd.socket} ${lxc.path} exec exec -- cat` }),
      },
      lxc.env,
    )
    return [shortest, ...piped]
  } finally {
    await operate('PUT', '/1.0/instances/exec/state', { action: 'stop', force: true })
    await operate('DELETE', '/1.0/instances/exec')
    await lxd?.lxc.run('delete', '--force', 'exec')
  }
}

/** An exec with its streams, to its end. */
async function bareExec(engine: Call, container: string): Promise<void> {
  const body = { AttachStdin: true, AttachStdout: true, AttachStderr: true, Cmd: ['true'] }
  const { Id } = await engine<{ Id: string }>('POST', `/containers/${container}/exec`, { body })
  await engine('POST', `/exec/${Id}/start`, { body: { Detach: false, Tty: false } })
  await engine('GET', `/exec/${Id}/json`)
}

async function comparePiped(
  { windlass }: Measured,
  commands: { windlass: string; docker: string; lxd?: string },
  environment: NodeJS.ProcessEnv,
): Promise<Row[]> {
  const rates = { windlass: [] as number[], frames: [] as number[], docker: [] as number[], lxd: [] as number[] }
  const clients = { windlass: [] as number[], docker: [] as number[], lxd: [] as number[] }
  const more = await memoryDuring(windlass.api.pid, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      rates.frames.push(PIPED / 1000 / (await passFrames(windlass.socket)))
      for (const which of ['windlass', 'docker', 'lxd'] as const) {
        const command = commands[which]
        if (command === undefined) continue
        const taken = await timed(async () => {
          clients[which].push(await pipe(command, environment))
        })
        rates[which].push(PIPED / 1000 / taken)
      }
    }
  })
  const rate = (which: keyof typeof rates) => `${Math.round(median(rates[which]))} MB/s`
  const said = (which: keyof typeof clients) =>
    `${rate(which)}, the client ${median(clients[which]).toFixed(1)} s of CPU`
  const row = { yardstick: `${said('docker')}: docker exec`, target: '≥ × 0.80' }
  return [
    {
      ...row,
      figure: `lxc exec cat, 200 MB in and out again, p50 (n = ${ROUNDS})`,
      windlass: `${said('windlass')}; API process +${Math.round(more)} MB at most`,
      result: times(median(rates.windlass) / median(rates.docker)),
      lxd: commands.lxd === undefined ? '' : `${said('lxd')}, same run`,
    },
    {
      ...row,
      figure: 'The same by a client that only passes frames',
      windlass: rate('frames'),
      result: times(median(rates.frames) / median(rates.docker)),
      lxd: '',
    },
  ]
}

/** The milliseconds of one round of pipe.ts, without the start of its process. */
async function passFrames(socket: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, [PIPE, socket, 'exec', String(PIPED)])
  const [received, taken] = stdout.split(' ').map(Number)
  if (received !== PIPED || taken === undefined) throw new Error(`The frames lost something: ${stdout}`)
  return taken
}

/** Seconds of CPU that the client itself has taken. */
async function pipe(command: string, environment: NodeJS.ProcessEnv): Promise<number> {
  const script = `set -o pipefail; TIMEFORMAT='%U %S'; head -c ${PIPED} /dev/zero | { time ${command}; } | wc -c`
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { env: environment })
  if (Number(stdout) !== PIPED) throw new Error(`${command} lost something: ${stdout} ${stderr}`)
  const [user = 0, system = 0] = stderr.trim().split(' ').map(Number)
  return user + system
}
