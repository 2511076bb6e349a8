/**
 * Keeps power: what is to run is started when the engine comes up, and what has stopped by itself is written down as
 * such. Done by the one process that leads, over records and containers as they are now; a guard on the record's
 * revision keeps it from undoing what a user has done meanwhile.
 */
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord } from '../contract/records.ts'
import type { Config } from '../contract/common.ts'
import type { Engine } from '../core/engine.ts'
import { expandConfig, pickProfiles } from '../core/expand.ts'
import { isFinal } from '../core/operation-states.ts'
import type { Clock, RecordStore } from '../core/ports.ts'
import { withPower } from '../core/outside-change.ts'
import { remedyOf, startPriority, wantsPower } from '../core/power.ts'
import { homesOf } from '../core/project-features.ts'
import { SERVER } from './caller.ts'
import { instanceUrl } from './instance-urls.ts'
import { on } from './instance-operations.ts'
import type { Inventory } from './inventory.ts'
import { devicesNow, withMounts } from './mounts.ts'
import type { Operations } from './operations.ts'

export interface PowerDeps {
  records: RecordStore
  inventory: Pick<Inventory, 'container' | 'member'>
  engines: ReadonlyMap<string, Pick<Engine, 'containers' | 'startedAt'>>
  operations: Pick<Operations, 'trySubmit'>
  clock: Clock
  onError(failure: unknown, instance: InstanceRecord): void
}

/** An instance that does not stand as its record says. */
interface Case {
  record: InstanceRecord
  config: Config
  /** Names this very standstill. */
  key: string
  remedy: 'start' | 'settle'
}

/** One look at every instance; called about every second. */
export function createPower(deps: PowerDeps): () => Promise<void> {
  const { records, inventory, engines, operations, clock } = deps
  const starts = createStarts(deps)
  /** Seen at the look before: a container that has only just died may be dying with its engine. */
  let seen = new Set<string>()
  /** Dealt with; as long as they stand still. */
  let settled = new Set<string>()

  async function look(): Promise<void> {
    const cases = await findCases()
    const keys = new Set(cases.map(({ key }) => key))
    const due = cases.filter(({ key }) => seen.has(key) && !settled.has(key))
    seen = keys
    settled = new Set([...settled].filter((key) => keys.has(key)))
    const stopped = due.filter(({ remedy }) => remedy === 'settle')
    await Promise.all(stopped.map((one) => attempt(one.record, () => settle(one))))
    await startAll(due.filter(({ remedy }) => remedy === 'start'))
  }

  async function findCases(): Promise<Case[]> {
    const standing = (await records.list('instance')).filter(stands)
    if (standing.length === 0) return []
    const [all, homes] = await Promise.all([records.list('profile'), homesOf(records, 'profile')])
    const profiles = Map.groupBy(all, ({ project }) => project)
    const cases = standing.map(async (record) => {
      const picked = pickProfiles(record.profiles, profiles.get(homes(record.project)) ?? [])
      const config = expandConfig(picked.profiles, record.config)
      if (!wantsPower(record, config)) return undefined
      return attempt(record, () => caseOf(record, config))
    })
    return (await Promise.all(cases)).filter((one) => one !== undefined)
  }

  /** What memory says is cheap; whoever stands still by it is looked at in the engine. */
  function stands({ member, container }: InstanceRecord): boolean {
    if (!inventory.member(member).online) return false
    const status = inventory.container(member, container)?.status
    return status === 'exited' || status === 'created' || status === 'dead'
  }

  async function caseOf(record: InstanceRecord, config: Config): Promise<Case | undefined> {
    const engine = engines.get(record.member)
    const [detail, engineStart] = await Promise.all([
      engine?.containers.inspect(record.container),
      starts(record.member),
    ])
    if (detail === undefined || detail.status === 'running' || detail.status === 'paused') return undefined
    const remedy = remedyOf(record, config, detail, engineStart)
    if (remedy === 'none') return undefined
    const key = `${record.uuid}:${record.container}:${detail.finishedAt}`
    // An engine that comes up again is another reason to start than the one before.
    return { record, config, remedy, key: detail.finishedAt <= engineStart ? `${key}:${engineStart}` : key }
  }

  /** One instance's trouble is not that of the others. */
  async function attempt<T>(record: InstanceRecord, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act()
    } catch (failure) {
      deps.onError(failure, record)
      return undefined
    }
  }

  /** A change of the record only, but for an ephemeral instance: its stop deletes it. */
  async function settle({ record, key }: Case): Promise<undefined> {
    const { project } = record
    const { requestor } = SERVER
    if (record.ephemeral) {
      const input = { instance: record.uuid, timeout: 0, force: false }
      const submitted = await operations.trySubmit(SERVER, {
        ...on(record, 'instance.stop', input),
        ...guard(record),
        once: key,
      })
      if (submitted.outcome === 'accepted') settled.add(key)
      return
    }
    await records.write({
      changes: [{ change: 'put', noun: 'instance', record: withPower(record, 'stopped') }],
      // Unless somebody has changed it meanwhile.
      unlessBusy: [`instance:${record.uuid}`],
      lifecycle: [{ action: 'instance-shutdown', source: instanceUrl(record), context: {}, requestor, project }],
      at: clock.now(),
    })
  }

  /** Those of a lower priority wait until those of a higher one have been started, or could not be. */
  async function startAll(due: Case[]): Promise<void> {
    const groups = Map.groupBy(due, ({ config }) => startPriority(config))
    for (const [, group] of [...groups].toSorted(([a], [b]) => b - a)) {
      const submitted = await Promise.all(group.map((one) => attempt(one.record, () => start(one))))
      if (submitted.some((operation) => operation !== undefined && !isFinal(operation.state))) return
    }
  }

  async function start({ record, key }: Case): Promise<OperationRecord | undefined> {
    const input = { instance: record.uuid }
    const submission = await withMounts(records, record.project, await devicesNow(records, record), {
      ...on(record, 'instance.start', input),
      ...guard(record),
      once: key,
    })
    const submitted = await operations.trySubmit(SERVER, submission)
    // Somebody else is at it, or has changed it: the next look tells.
    if (submitted.outcome !== 'accepted') return undefined
    if (isFinal(submitted.operation.state)) settled.add(key)
    return submitted.operation
  }

  return look
}

/** The record as it is: refused when anybody has changed it since it was read. */
export function guard(record: InstanceRecord) {
  return { changes: [{ change: 'put' as const, noun: 'instance' as const, record }] }
}

/** When each member's engine came up, asked once per connection to it. */
function createStarts({ inventory, engines }: Pick<PowerDeps, 'inventory' | 'engines'>) {
  const known = new Map<string, { since: number; start: Promise<number> }>()
  return (member: string): Promise<number> => {
    const { since } = inventory.member(member)
    const last = known.get(member)
    if (last?.since === since) return last.start
    // One that does not say when it came up: what happened before we met it was not seen.
    const start = (engines.get(member)?.startedAt() ?? Promise.resolve(0)).then((at) => at || since)
    known.set(member, { since, start })
    start.catch(() => known.delete(member))
    return start
  }
}
