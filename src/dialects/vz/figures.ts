/** What a container uses, for its `machine`. */
import type { Config } from '../../contract/common.ts'
import { parseBytesOf } from '../../core/units.ts'
import type { Caller } from '../../services/caller.ts'
import type { DialectKit } from '../dialect.ts'
import type { Numbered } from './numbers.ts'
import type { Figures } from './translate.ts'

interface Reading {
  at: number
  cpu: number
  load: number
}

/** Containers whose last reading is remembered. */
const REMEMBERED = 10_000

/** Readings are at most ten seconds old, as in lists. */
export function createFigures({ services }: Pick<DialectKit, 'services'>) {
  const { instances, runStates, server } = services
  const readings = new Map<string, Reading>()

  async function of(caller: Caller, { view }: Numbered): Promise<Figures> {
    const states = await instances.states([view])
    const state = states.get(view.record.uuid) ?? (await instances.state(caller, view.record))
    const sample = instances.measured(view)
    const memory = (await memoryOf(view.config)) ?? sample?.memoryLimitBytes ?? (await server.memory())
    if (sample === undefined) return { state, memory, load: 0 }
    return { state, memory, load: await loadOf(view.record, sample) }
  }

  /** Its limit, which may be newer than the last reading. */
  async function memoryOf(config: Config): Promise<number | undefined> {
    const limit = config['limits.memory'] ?? ''
    return limit === '' ? undefined : parseBytesOf(limit, await server.memory())
  }

  /** Since the reading before, or since it was started. */
  async function loadOf(
    { member, container }: Numbered['view']['record'],
    { at, cpuNanoseconds: cpu }: { at: number; cpuNanoseconds: number },
  ): Promise<number> {
    const last = readings.get(container)
    if (last?.at === at) return last.load
    const isGoingOn = last !== undefined && last.cpu <= cpu
    const began = isGoingOn ? last.at : ((await runStates.of([{ member, container }])).get(container)?.startedAt ?? at)
    const used = isGoingOn ? cpu - last.cpu : cpu
    const load = at > began ? (used / ((at - began) * 1e6)) * 100 : 0
    if (readings.size >= REMEMBERED) readings.clear()
    readings.set(container, { at, cpu, load })
    return load
  }

  return { of }
}
