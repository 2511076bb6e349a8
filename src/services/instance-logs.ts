/** What an instance has said: its console, as the engine keeps it, and what recorded execs have put out. */
import type { Readable } from 'node:stream'
import type { InstanceRecord } from '../contract/records.ts'
import type { Engine } from '../core/engine.ts'
import { badRequest, conflict, notFound } from '../core/failure.ts'
import { KEPT_FILE, outputLog, parseOutputLog } from '../core/kept-files.ts'
import type { RecordChange } from '../core/ports.ts'
import { engineOf } from './engine-of.ts'
import { requireRole, type Caller } from './caller.ts'
import type { Foreign } from './foreign.ts'
import { instanceUrl, logUrl } from './instance-urls.ts'
import type { InstanceViews, Where } from './instance-views.ts'
import { requireOwn } from './instance-operations.ts'
import type { OpenKept } from './kept-files.ts'
import { tellOf, type Write } from './writes.ts'

export interface InstanceLogsDeps {
  views: Pick<InstanceViews, 'get'>
  engines: ReadonlyMap<string, Engine>
  foreign: Foreign
  openKept: OpenKept
  write: Write
}

export type InstanceLogs = ReturnType<typeof createInstanceLogs>

/** A log to send; its size in bytes where that is known before. */
export interface InstanceLog {
  size: number | undefined
  /** Must be read or destroyed. */
  content: Readable
}

/** The console's log under its own name, and under the one that `lxc info --show-log` asks for. */
const CONSOLE = ['console.log', 'lxc.log']
/** Lines of the console that are shown. */
const TAIL = 10_000

export function createInstanceLogs({ views, engines, foreign, openKept, write }: InstanceLogsDeps) {
  /** Names of the logs. */
  async function list(caller: Caller, where: Where): Promise<string[]> {
    const { record, engine } = await find(caller, where)
    const volumes = await engine.volumes.find({ role: 'output', uuid: record.uuid })
    const outputs = volumes.flatMap(({ name }) => {
      const match = /^windlass-output-([0-9a-f-]{36})-(stdout|stderr)$/.exec(name)
      return match === null ? [] : [outputLog(match[1] ?? '', match[2] === 'stdout' ? 'stdout' : 'stderr')]
    })
    return [...CONSOLE, ...outputs.toSorted()]
  }

  async function read(caller: Caller, where: Where, name: string, signal?: AbortSignal): Promise<InstanceLog> {
    const { record, engine } = await find(caller, where)
    await foreign.check(caller, record)
    const log = CONSOLE.includes(name)
      ? { size: undefined, content: await consoleOf(engine, record, signal) }
      : await openOutput(engine, record, name, signal)
    await tellOf(write, caller, eventOf(record, 'instance-log-retrieved', name))
    return log
  }

  /** What the console has shown, as its own route gives it. */
  async function readConsole(caller: Caller, where: Where, signal?: AbortSignal): Promise<InstanceLog> {
    const { record, engine } = await find(caller, where)
    await foreign.check(caller, record)
    const content = await consoleOf(engine, record, signal)
    await tellOf(write, caller, eventOf(record, 'instance-console-retrieved'))
    return { size: undefined, content }
  }

  async function openOutput(
    engine: Engine,
    { uuid, project, member }: InstanceRecord,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<InstanceLog> {
    const volume = await outputOf(engine, uuid, name)
    const file = await openKept({ member, volume, file: KEPT_FILE, uuid, project }, signal)
    if (file === undefined) throw notFound('Log file not found')
    return file
  }

  /** Only what execs have put out can be deleted. */
  async function remove(caller: Caller, where: Where, name: string): Promise<void> {
    requireRole(caller, 'operator')
    const { record, engine } = await find(caller, where)
    if (CONSOLE.includes(name)) throw badRequest('Only log files excluding lxc.log may be deleted')
    const outcome = await engine.volumes.remove(await outputOf(engine, record.uuid, name))
    if (outcome === 'in-use') throw conflict('The log file is just being written or read; try again', { retryAfter: 1 })
    await write(caller, { changes: [], event: eventOf(record, 'instance-log-deleted', name) })
  }

  /** Engines clear no log: what was there until now is left out from now on. */
  async function clearConsole(caller: Caller, where: Where): Promise<void> {
    requireRole(caller, 'operator')
    const { view, record, engine } = await find(caller, where)
    requireOwn(view)
    const consoleSince = record.container === '' ? '' : await engine.containers.logEnd(record.container)
    const changes: RecordChange[] = [{ change: 'put', noun: 'instance', record: { ...record, consoleSince } }]
    const event = eventOf(record, 'instance-console-reset')
    await write(caller, {
      changes: consoleSince === '' ? [] : changes,
      event,
      unlessBusy: [`instance:${record.uuid}`],
    })
  }

  async function find(caller: Caller, where: Where) {
    const view = await views.get(caller, where)
    const { record } = view
    const engine = engineOf(engines, record.member)
    return { view, record, engine }
  }

  return { list, read, readConsole, remove, clearConsole }
}

async function consoleOf(
  engine: Engine,
  { container, consoleSince }: InstanceRecord,
  signal: AbortSignal | undefined,
): Promise<Readable> {
  const part = { tail: TAIL, ...(consoleSince !== undefined && { since: consoleSince }) }
  return engine.containers.logs(container, part, signal)
}

/** The volume of an instance's own output: the name of another one's leads nowhere. */
async function outputOf(engine: Engine, uuid: string, name: string): Promise<string> {
  const volume = parseOutputLog(name)
  const detail = volume === undefined ? undefined : await engine.volumes.inspect(volume)
  if (detail?.own?.role !== 'output' || detail.own.uuid !== uuid) throw notFound('Log file not found')
  return detail.name
}

/** Of a log, or of the console. */
function eventOf(record: InstanceRecord, action: string, log?: string) {
  const source = log === undefined ? instanceUrl(record) : logUrl(record, log)
  return { action, source, project: record.project }
}
