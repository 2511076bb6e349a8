/** Short commands in instances whose output is wanted at once, of a bounded size. */
import type { Readable } from 'node:stream'
import type { Config } from '../contract/common.ts'
import type { ContainerDetail, ExecSpec } from '../core/container.ts'
import type { Engine } from '../core/engine.ts'
import { execEnvironment } from '../core/exec-environment.ts'
import { isFailure, notFound, timedOut } from '../core/failure.ts'
import { checkAction } from '../core/instance-status.ts'
import type { Clock } from '../core/ports.ts'
import { engineOf } from './engine-of.ts'
import { requireRole, type Caller } from './caller.ts'
import type { Foreign } from './foreign.ts'
import type { InstanceViews, Where } from './instance-views.ts'

export interface CommandsDeps {
  views: Pick<InstanceViews, 'get'>
  engines: ReadonlyMap<string, Engine>
  foreign: Foreign
  clock: Clock
}

export interface ShortCommand {
  command: string[]
  environment?: Config
  /** Most bytes of output that are kept; the rest is dropped. */
  maxBytes: number
  /** The command is ended after so many milliseconds. */
  timeout: number
}

export interface CommandResult {
  /** As a shell says it: 127 where there is no such program. */
  code: number
  stdout: string
  /** Both streams, in the order in which they came. */
  output: string
}

export type Commands = ReturnType<typeof createCommands>

export function createCommands({ views, engines, foreign, clock }: CommandsDeps) {
  /** Runs as root, where the container's processes start. It is for looking: what changes something is an operation. */
  async function run(caller: Caller, where: Where, asked: ShortCommand): Promise<CommandResult> {
    requireRole(caller, 'operator')
    const { record, config, status } = await views.get(caller, where)
    checkAction('exec', status.status)
    await foreign.check(caller, record)
    const { engine, detail } = await find(record)
    const request = asked.environment ?? {}
    const signal = AbortSignal.timeout(asked.timeout)
    try {
      return await collect(
        engine,
        asked,
        {
          container: detail.id,
          command: asked.command,
          environment: execEnvironment({ config, request, user: 0, container: detail.environment }),
          user: '0:0',
          cwd: detail.workdir,
          tty: false,
          width: 0,
          height: 0,
          marker: clock.uuid(),
        },
        signal,
      )
    } catch (thrown) {
      if (signal.aborted && !isFailure(thrown, 'timeout')) throw timedOut('The command took too long and was ended')
      throw thrown
    }
  }

  /** Where the processes of an instance start; '' for the root. */
  async function workdir(caller: Caller, where: Where): Promise<string> {
    return (await find((await views.get(caller, where)).record)).detail.workdir
  }

  async function find(record: {
    member: string
    container: string
  }): Promise<{ engine: Engine; detail: ContainerDetail }> {
    const engine = engineOf(engines, record.member)
    const detail = await engine.containers.inspect(record.container)
    if (detail === undefined) throw notFound('Instance not found')
    return { engine, detail }
  }

  return { run, workdir }
}

async function collect(
  engine: Engine,
  { maxBytes }: ShortCommand,
  spec: ExecSpec,
  signal: AbortSignal,
): Promise<CommandResult> {
  const { stdin, stdout, stderr, exit } = await engine.execs.run(spec, signal)
  stdin.end()
  const kept: { chunk: Buffer; isStdout: boolean }[] = []
  let left = maxBytes
  const keep = async (stream: Readable): Promise<void> => {
    // Without an encoding the chunks of a byte stream are Buffers. What is too much is read as well: the command ends.
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (left > 0) kept.push({ chunk: chunk.subarray(0, left), isStdout: stream === stdout })
      left -= chunk.length
    }
  }
  const [{ code, failure }] = await Promise.all([exit, keep(stdout), keep(stderr)])
  const textOf = (parts: typeof kept) => Buffer.concat(parts.map(({ chunk }) => chunk)).toString()
  if (failure !== undefined) return { code, stdout: '', output: failure }
  return { code, stdout: textOf(kept.filter(({ isStdout }) => isStdout)), output: textOf(kept) }
}
