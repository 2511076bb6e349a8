/** Trouble that is not anyone's request: noted once, counted, and gone when it is over. */
import type { Lifecycle } from '../contract/operation-record.ts'
import type { Warning, WarningPut } from '../contract/warning.ts'
import type { WarningRecord } from '../contract/records.ts'
import { badRequest, notFound } from '../core/failure.ts'
import type { Clock, RecordChange, RecordStore } from '../core/ports.ts'
import type { Trouble } from '../sweep/mend.ts'
import { keptAnswer, mayEnter, requireRole, SERVER, type Caller } from './caller.ts'
import { toRefusal } from './operations.ts'

export interface WarningsDeps {
  records: RecordStore
  clock: Clock
}

export type Warnings = ReturnType<typeof createWarnings>

export function createWarnings(deps: WarningsDeps) {
  const { records, clock } = deps

  async function list(caller: Caller, project: string | undefined): Promise<Warning[]> {
    const all = await records.list('warning')
    return all
      .filter((warning) => isVisible(caller, warning) && (project === undefined || warning.project === project))
      .map(toWarning)
  }

  async function get(caller: Caller, uuid: string): Promise<Warning> {
    return toWarning(await load(caller, uuid))
  }

  /** Acknowledges a warning, or makes it new again. */
  async function update(caller: Caller, uuid: string, body: WarningPut): Promise<void> {
    requireRole(caller, 'operator')
    const record = await load(caller, uuid)
    const { status } = body
    if (status !== 'new' && status !== 'acknowledged') throw badRequest('Invalid warning status: new or acknowledged')
    const action = status === 'acknowledged' ? 'warning-acknowledged' : 'warning-reset'
    await write(caller, { change: 'put', noun: 'warning', record: { ...record, status } }, eventOf(action, record))
  }

  async function remove(caller: Caller, uuid: string): Promise<void> {
    requireRole(caller, 'operator')
    const record = await load(caller, uuid)
    await write(
      caller,
      { change: 'remove', noun: 'warning', uuid, rev: record.rev },
      eventOf('warning-deleted', record),
    )
  }

  /** Notes trouble; the same again only counts. */
  async function raise(trouble: Trouble): Promise<void> {
    const at = new Date(clock.now()).toISOString()
    const known = (await records.find('warning', '', trouble.key)) ?? unseen(trouble.key, clock.uuid(), at)
    const record: WarningRecord = {
      ...known,
      type: trouble.type,
      severity: trouble.severity,
      status: known.status === 'acknowledged' ? 'acknowledged' : 'new',
      message: trouble.message,
      project: trouble.project ?? '',
      entity_url: trouble.entityUrl ?? '',
      count: known.count + 1,
      last_seen_at: at,
    }
    // Whoever else has just noted the same trouble has noted it.
    await records.write({ changes: [{ change: 'put', noun: 'warning', record }], at: clock.now() })
  }

  /** The trouble is over. */
  async function resolve(key: string): Promise<void> {
    const known = await records.find('warning', '', key)
    if (known === undefined || known.status === 'resolved') return
    await write(SERVER, { change: 'put', noun: 'warning', record: { ...known, status: 'resolved' } })
  }

  async function load(caller: Caller, uuid: string): Promise<WarningRecord> {
    const record = await records.get('warning', uuid)
    if (record === undefined || !isVisible(caller, record)) throw notFound('Warning not found')
    return record
  }

  async function write(caller: Caller, change: RecordChange, event?: Omit<Lifecycle, 'requestor'>): Promise<void> {
    const written = await records.write({
      changes: [change],
      idempotency: keptAnswer(caller),
      ...(event !== undefined && { lifecycle: [{ ...event, requestor: caller.requestor }] }),
      at: clock.now(),
    })
    if (written.outcome !== 'written') throw toRefusal(written, undefined)
  }

  return { list, get, update, remove, raise, resolve }
}

function eventOf(action: string, { uuid, project }: WarningRecord): Omit<Lifecycle, 'requestor'> {
  return { action, source: `/1.0/warnings/${uuid}`, context: {}, project }
}

function unseen(key: string, uuid: string, at: string): WarningRecord {
  const blank = { type: '', severity: 'low', status: 'new', message: '', count: 0, entity_url: '' } as const
  return { v: 1, rev: 0, uuid, project: '', name: key, ...blank, first_seen_at: at, last_seen_at: at }
}

/** Warnings of no project are for those who are bound to none. */
function isVisible(caller: Caller, warning: WarningRecord): boolean {
  return warning.project === '' ? caller.projects === null : mayEnter(caller, warning.project)
}

function toWarning(record: WarningRecord): Warning {
  const { uuid, project, type, severity, status, message, count, first_seen_at, last_seen_at, entity_url } = record
  const location = 'none'
  return {
    uuid,
    status,
    location,
    project,
    type,
    severity,
    count,
    first_seen_at,
    last_seen_at,
    last_message: message,
    entity_url,
  }
}
