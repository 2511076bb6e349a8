/**
 * What others do to our containers on the engine itself is told as if it had been done here, once: by the one process
 * that leads, which writes it into the record together with the event. A container that goes by another name gets its
 * own back, or gives the instance that one where it is a name of ours.
 */
import type { InstanceRecord } from '../contract/records.ts'
import type { Engine } from '../core/engine.ts'
import { isFinal } from '../core/operation-states.ts'
import { parseDockerName } from '../core/names.ts'
import { outsideChange, withPower, withTold, type OutsideChange } from '../core/outside-change.ts'
import type { Clock, RecordStore } from '../core/ports.ts'
import { SERVER } from './caller.ts'
import { instanceUrl } from './instance-urls.ts'
import { on } from './instance-operations.ts'
import type { Inventory } from './inventory.ts'
import type { Operations } from './operations.ts'
import { guard } from './power.ts'

export interface OutsideChangesDeps {
  records: RecordStore
  inventory: Pick<Inventory, 'container' | 'member'>
  engines: ReadonlyMap<string, Pick<Engine, 'containers'>>
  operations: Pick<Operations, 'trySubmit'>
  clock: Clock
  onError(failure: unknown, instance: InstanceRecord): void
}

interface Case {
  record: InstanceRecord
  change: OutsideChange
  /** Names this very change. */
  key: string
}

interface Told {
  record: InstanceRecord
  /** LXD's lifecycle action, where there is one for it. */
  action: string | undefined
}

/** One look at every instance; called about every second. */
export function createOutsideChanges(deps: OutsideChangesDeps): () => Promise<void> {
  const { records, inventory, engines, operations, clock } = deps
  /** Seen at the look before: what an operation of ours does is over a moment later. */
  let seen = new Set<string>()
  /** Dealt with, as long as nothing about them changes. */
  let settled = new Set<string>()

  async function look(): Promise<void> {
    const cases = (await records.list('instance')).flatMap(caseOf)
    const keys = new Set(cases.map(({ key }) => key))
    const due = cases.filter(({ key }) => seen.has(key) && !settled.has(key))
    seen = keys
    settled = new Set([...settled].filter((key) => keys.has(key)))
    await Promise.all(due.map((one) => act(one).catch((failure: unknown) => deps.onError(failure, one.record))))
  }

  /** By what memory says: it is cheap. */
  function caseOf(record: InstanceRecord): Case[] {
    const { uuid, rev, member, container } = record
    if (!inventory.member(member).online) return []
    const summary = inventory.container(member, container)
    const change = outsideChange(record, summary)
    return change === undefined ? [] : [{ record, change, key: `${uuid}:${rev}:${change}:${summary?.name ?? ''}` }]
  }

  /** By what the engine itself says now. */
  async function act({ record, change, key }: Case): Promise<void> {
    const engine = engines.get(record.member)
    if (engine === undefined) return
    const container = await engine.containers.inspect(record.container)
    if (outsideChange(record, container) !== change) return
    if (change === 'renamed') return rename(record, container?.name ?? '', key)
    // Without its container an ephemeral instance is over, as after a stop.
    if (change === 'gone' && record.ephemeral) return remove(record, key)
    await tell(record, toldOf(record, change, container?.status === 'running'))
  }

  function toldOf(record: InstanceRecord, change: Exclude<OutsideChange, 'renamed'>, runs: boolean): Told {
    const running = record.power === 'running'
    switch (change) {
      case 'frozen':
        return { record: withTold({ ...record, power: 'running' }, 'frozen'), action: 'instance-paused' }
      case 'thawed':
        return { record: withPower(record, 'running'), action: 'instance-resumed' }
      case 'gone':
        // It still has its config and its snapshots, from which it can be restored: it is not deleted.
        return { record: withTold(record, 'gone'), action: running ? 'instance-stopped' : undefined }
      case 'back':
        return { record: withPower(record, record.power), action: running && runs ? 'instance-started' : undefined }
      case 'started': {
        const last_used_at = new Date(clock.now()).toISOString()
        return { record: { ...withPower(record, 'running'), last_used_at }, action: 'instance-started' }
      }
    }
  }

  /** Unless somebody has changed it meanwhile, or is about to. */
  async function tell(now: InstanceRecord, { record, action }: Told): Promise<void> {
    const { project } = now
    const event = { source: instanceUrl(now), context: {}, requestor: SERVER.requestor, project }
    await records.write({
      changes: [{ change: 'put', noun: 'instance', record }],
      unlessBusy: [`instance:${now.uuid}`],
      lifecycle: action === undefined ? [] : [{ action, ...event }],
      at: clock.now(),
    })
  }

  async function remove(record: InstanceRecord, key: string): Promise<void> {
    const submitted = await operations.trySubmit(SERVER, {
      ...on(record, 'instance.delete', { instance: record.uuid }),
      ...guard(record),
      once: key,
    })
    if (submitted.outcome === 'accepted' && isFinal(submitted.operation.state)) settled.add(key)
  }

  /** A name of ours is what whoever gave it wants the instance to be called; every other one, or a taken one, goes. */
  async function rename(record: InstanceRecord, container: string, key: string): Promise<void> {
    const { uuid, project } = record
    const wanted = parseDockerName(container, project)
    const to = (name: string) => ({
      ...on(record, 'instance.rename', { instance: uuid, name }),
      ...guard(record),
      once: `${key}:${name}`,
    })
    const names = (name: string) => [{ noun: 'instance' as const, scope: project, name }]
    const taken = async () => operations.trySubmit(SERVER, to(record.name))
    const followed =
      wanted === undefined || wanted === record.name
        ? await taken()
        : await operations.trySubmit(SERVER, { ...to(wanted), names: names(wanted) })
    const submitted = followed.outcome === 'name-taken' ? await taken() : followed
    if (submitted.outcome === 'accepted' && isFinal(submitted.operation.state)) settled.add(key)
  }

  return look
}
