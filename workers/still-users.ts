/** Steps that hold the running instances that mount a custom volume still while its files are copied. */
import { isFailure } from '../src/core/failure.ts'
import type { Observed } from '../src/core/ports.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { loadInstance } from './containers.ts'
import { observe, type Context, type Step } from './steps.ts'

type OnVolume = Extract<Kind, 'volume.copy' | 'volume.refresh' | 'volume-snapshot.create' | 'volume-backup.create'>

/** The containers that ran, and that nobody had frozen: kept before anything is changed. */
interface Found {
  running: string[]
}

const runningOf = (context: Context<Kind>): string[] => (context.note('look') as Found).running // the note of `look`

export interface StillSteps<K extends OnVolume> {
  /** Whether something runs that must stand still. */
  isNeeded(context: Context<K>): boolean
  before: Step<K>[]
  after: Step<K>
  /** The instances as their thaw has left them, for the event that ends the operation. */
  observed(context: Context<K>): Promise<Observed[]>
}

/** The steps around that of copying; all but the first are left out where nothing runs. */
export function stillSteps<K extends OnVolume>(): StillSteps<K> {
  const when = (context: Context<K>) => runningOf(context).length > 0
  const look: Step<K> = {
    name: 'look',
    run: async (context): Promise<Found> => {
      const running: string[] = []
      for (const uuid of context.input.users ?? []) {
        const { container } = await loadInstance(context, uuid)
        const detail = await context.engine.containers.inspect(container, context.signal)
        if (detail?.status === 'running') running.push(container)
      }
      return { running }
    },
    lasts: (found) => (found as Found).running.length === 0, // the step's own note
  }
  const freeze: Step<K> = {
    name: 'freeze',
    when,
    run: async (context) => {
      for (const container of runningOf(context)) await pause(context, container)
    },
    undo: async (context) => {
      await thawAll(context)
      return 'Let the instances run on'
    },
  }
  return {
    isNeeded: when,
    before: [look, freeze],
    after: { name: 'thaw', when, run: thawAll },
    observed: async (context) => {
      const { containers, member } = context.engine
      const seen = await Promise.all(runningOf(context).map((id) => containers.inspect(id, context.signal)))
      return seen.flatMap((detail) => (detail === undefined ? [] : [observe(member, detail)]))
    },
  }
}

async function pause({ engine, signal }: Context<Kind>, container: string): Promise<void> {
  try {
    await engine.containers.pause(container, signal)
  } catch (failure) {
    // What has stopped or gone since the look stands still by itself.
    if (!isFailure(failure, 'conflict', 'not-found')) throw failure
    if ((await engine.containers.inspect(container, signal))?.status === 'running') throw failure
  }
}

async function thawAll(context: Context<Kind>): Promise<void> {
  const { containers } = context.engine
  for (const container of runningOf(context))
    await containers.unpause(container, context.signal).catch(async (failure: unknown) => {
      // One that has died meanwhile has nothing to go on with.
      if ((await containers.inspect(container, context.signal))?.status === 'paused') throw failure
    })
}
