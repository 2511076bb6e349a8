/** What running containers used in the last five hours: read every ten seconds from the first question on. */
import type { InstanceRecord } from '../contract/records.ts'
import type { ContainerStats } from '../core/container.ts'
import type { Engine } from '../core/engine.ts'
import { isShownAsForeign } from '../core/foreign.ts'
import type { Clock, Leader, Reading, ReadingStore, RecordReader } from '../core/ports.ts'
import { usageOf, type Usage } from '../core/usage.ts'
import { eachAtOnce } from './at-once.ts'
import type { Inventory } from './inventory.ts'
import { FIGURES_AT_ONCE } from './sampler.ts'

export interface StatsHistoryDeps {
  engines: ReadonlyMap<string, Engine>
  inventory: Pick<Inventory, 'containers'>
  records: RecordReader
  store: ReadingStore
  /** One process reads each member's containers. */
  leaderOf(member: string): Leader
  clock: Clock
  onError(failure: unknown): void
}

export interface StatsHistory {
  /** Oldest first. Every running container is read from the first question on, for a day after the last one. */
  of(instance: Asked): Promise<Usage[]>
  /** Reads every running container of the members that this process leads, if anybody has asked. */
  sample(): Promise<void>
  close(): Promise<void>
}

/** An instance, or a container made by others in the form of one. */
type Asked = Pick<InstanceRecord, 'uuid' | 'member' | 'container'>

const INTERVAL = 10_000
/** Readings go on for so long after the last question, milliseconds. */
const WANTED = 24 * 3_600_000
/** How long a process leads without renewing. */
const TERM = 25_000

export function createStatsHistory(deps: StatsHistoryDeps): StatsHistory {
  const { engines, inventory, records, store, clock } = deps
  const leaders = new Map([...engines.keys()].map((member) => [member, deps.leaderOf(member)]))
  let round: Promise<void> | undefined
  const timer = setInterval(() => void sample(), INTERVAL)

  function sample(): Promise<void> {
    round ??= takeRound()
      .catch((failure: unknown) => deps.onError(failure))
      .finally(() => (round = undefined))
    return round
  }

  async function takeRound(): Promise<void> {
    if (!(await store.isWanted())) return
    for (const [member, leader] of leaders) if (await leader.lead(TERM)) await store.add(await readAll(member))
  }

  async function readAll(member: string): Promise<Map<string, Reading>> {
    const engine = engines.get(member)
    const readings = new Map<string, Reading>()
    await eachAtOnce(await runningOn(member), FIGURES_AT_ONCE, async ({ uuid, container }) => {
      // One that has ended meanwhile has no figures; the others must not wait for it.
      const stats = await engine?.containers.stats(container).catch(() => undefined)
      if (stats !== undefined) readings.set(uuid, toReading(stats, clock.now()))
    })
    return readings
  }

  /** Whoever asks before the next round gets a reading all the same. */
  async function readFirst({ uuid, member, container }: Asked): Promise<Reading[]> {
    const stats = await engines.get(member)?.containers.stats(container)
    if (stats === undefined) return []
    const reading = toReading(stats, clock.now())
    await store.add(new Map([[uuid, reading]]))
    return [reading]
  }

  async function runningOn(member: string): Promise<{ uuid: string; container: string }[]> {
    const instances = await records.list('instance')
    const own = new Map(instances.map(({ container, uuid }) => [container, uuid]))
    return inventory.containers(member).flatMap((container) => {
      const uuid = own.get(container.id) ?? (isShownAsForeign(container) ? container.id : undefined)
      const isRunning = container.status === 'running' || container.status === 'paused'
      return uuid === undefined || !isRunning ? [] : [{ uuid, container: container.id }]
    })
  }

  return {
    sample,
    of: async (asked) => {
      await store.want(WANTED)
      const kept = await store.list(asked.uuid, clock.now())
      return usageOf(kept.length > 0 ? kept : await readFirst(asked))
    },
    close: async () => {
      clearInterval(timer)
      await round
      for (const leader of leaders.values()) await leader.resign().catch((failure: unknown) => deps.onError(failure))
    },
  }
}

/** Of the networks the first counts, `eth0`. */
function toReading(stats: ContainerStats, at: number): Reading {
  const { memoryBytes, memoryLimitBytes, cpuNanoseconds, networks } = stats
  const network = networks['eth0']
  return {
    at,
    memoryBytes,
    memoryLimitBytes,
    cpuNanoseconds,
    receivedBytes: network?.rxBytes ?? 0,
    sentBytes: network?.txBytes ?? 0,
  }
}
