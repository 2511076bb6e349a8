/** Commands in instances whose streams are websockets. */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ExecSpec, RunningExec } from '../core/container.ts'
import type { Engine } from '../core/engine.ts'
import { environmentOf, type ExecRequest, planExec, startRefusal } from '../core/exec-spec.ts'
import { badRequest, isFailure } from '../core/failure.ts'
import { checkStillRuns } from '../core/instance-status.ts'
import { engineOf } from './engine-of.ts'
import type { Caller } from './caller.ts'
import { instanceUrl } from './instance-urls.ts'
import { on } from './instance-operations.ts'
import type { InstanceView } from './instance-views.ts'
import { carryProcess, type ProcessChannels } from './process-streams.ts'
import type { StreamEnd, Streams, StreamTurn } from './streams.ts'
import { tellOf, type Write } from './writes.ts'

export interface InstanceSessionsDeps {
  engines: ReadonlyMap<string, Engine>
  streams: Pick<Streams, 'open'>
  write: Write
}

export interface SessionRequest extends ExecRequest {
  /** With a terminal: one websocket for both ways. */
  interactive: boolean
  /** Of the terminal; 0 where it is not known. */
  width: number
  height: number
}

export type InstanceSessions = ReturnType<typeof createInstanceSessions>

export function createInstanceSessions({ engines, streams, write }: InstanceSessionsDeps) {
  /** The operation that waits for its websockets. The caller has been found to be allowed to. */
  async function open(
    caller: Caller,
    { record, config }: Pick<InstanceView, 'record' | 'config'>,
    request: SessionRequest,
  ): Promise<OperationRecord> {
    const engine = engineOf(engines, record.member)
    const { containers } = engine
    const container = await containers.inspect(record.container)
    if (container === undefined) throw badRequest('Instance is not running')
    const { interactive, width, height, command } = request
    const place = { config, container, containers, marker: '' }
    const environment = environmentOf(request, place)
    // Goes on while the operation is accepted and its websockets come.
    const planning = planExec(request, place)
    planning.catch(() => undefined)
    const event = {
      action: 'instance-exec',
      source: instanceUrl(record),
      project: record.project,
      context: { command },
    }
    const onStart = () => tellOf(write, caller, event)
    const names = interactive ? ['0', 'control'] : ['0', '1', '2', 'control']
    return streams.open(
      caller,
      {
        ...on(record, 'instance.session', { instance: record.uuid, ...request }),
        metadata: { command, environment, interactive },
      },
      {
        names,
        // Some clients never open the control websocket where there is no terminal.
        needed: interactive ? names : names.slice(0, 3),
        carry: async (turn) => {
          const spec = await planning
          return carry(engine, interactive ? { ...spec, tty: true, width, height } : spec, turn, onStart)
        },
      },
    )
  }

  return { open }
}

/** `onStart` is called when the process is there. */
async function carry(
  engine: Engine,
  spec: ExecSpec,
  turn: StreamTurn,
  onStart: () => Promise<void>,
): Promise<StreamEnd> {
  const channels = await channelsOf(turn, spec.tty)
  const running = await start(engine, { ...spec, marker: turn.operation })
  turn.aside(onStart())
  const exit = await carryProcess(running, channels, turn.signal)
  return { metadata: { return: exit.code }, failure: startRefusal(exit) }
}

/** The instance ran when this was accepted; until its websockets have come it may be stopped, frozen or deleted. */
async function start({ execs, containers }: Engine, spec: ExecSpec): Promise<RunningExec> {
  try {
    return await execs.run(spec)
  } catch (failure) {
    if (!isFailure(failure, 'conflict', 'not-found')) throw failure
    checkStillRuns((await containers.inspect(spec.container))?.status)
    throw failure
  }
}

async function channelsOf({ channel }: StreamTurn, isTerminal: boolean): Promise<ProcessChannels> {
  const control = channel('control')
  const stdin = await channel('0')
  if (isTerminal) return { stdin, stdout: stdin, stderr: undefined, control }
  return { stdin, stdout: await channel('1'), stderr: await channel('2'), control }
}
