/** Steps that hold an instance still while its files are copied, and let it go on whatever happened in between. */
import type { InstanceRecord } from '../src/contract/records.ts'
import { isFailure } from '../src/core/failure.ts'
import type { Observed } from '../src/core/ports.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { containerOf, loadInstance } from './containers.ts'
import { observe, type Context, type Step } from './steps.ts'

/** How the instance was found; kept before anything is changed, so that a later attempt knows what to go back to. */
export interface Found {
  running: boolean
  paused: boolean
}

export function found(context: Context<Kind>): Found {
  return context.note('look') as Found // the note of `lookStep`
}

const wasFrozen = (context: Context<Kind>) => found(context).running && !found(context).paused

type OnInstance = Extract<
  Kind,
  | 'snapshot.create'
  | 'snapshot.restore'
  | 'instance.update'
  | 'instance.copy'
  | 'instance.refresh'
  | 'image.publish'
  | 'backup.create'
>

/** Notes whether the instance runs and is paused. `meanwhile` may ask for what later steps will need. */
export function lookStep<K extends OnInstance>(
  instanceOf: (context: Context<K>) => string,
  meanwhile?: (context: Context<K>, instance: InstanceRecord) => void,
): Step<K> {
  return {
    name: 'look',
    run: async (context) => {
      const instance = await loadInstance(context, instanceOf(context))
      meanwhile?.(context, instance)
      const { status } = await containerOf(context, instance)
      return { running: status === 'running' || status === 'paused', paused: status === 'paused' } satisfies Found
    },
    // One that runs is frozen or stopped by what follows.
    lasts: (seen) => !(seen as Found).running, // the step's own note
  }
}

/** Pauses a running instance; one that its user has frozen is left as it is. */
export function freezeStep<K extends OnInstance>(instanceOf: (context: Context<K>) => string): Step<K> {
  const thaw = async (context: Context<K>) => {
    const instance = await loadInstance(context, instanceOf(context))
    await context.engine.containers.unpause(instance.container, context.signal)
    return 'Let the instance run on'
  }
  return {
    name: 'freeze',
    when: wasFrozen,
    run: async (context) => {
      const instance = await loadInstance(context, instanceOf(context))
      try {
        await context.engine.containers.pause(instance.container, context.signal)
      } catch (failure) {
        // What has stopped since the look, perhaps with its engine, stands still by itself.
        if (!isFailure(failure, 'conflict')) throw failure
        if ((await containerOf(context, instance)).status === 'running') throw failure
      }
    },
    undo: thaw,
  }
}

export function thawStep<K extends OnInstance>(instanceOf: (context: Context<K>) => string): Step<K> {
  return {
    name: 'thaw',
    when: wasFrozen,
    run: async (context) => {
      const instance = await loadInstance(context, instanceOf(context))
      await context.engine.containers.unpause(instance.container, context.signal)
    },
  }
}

/**
 * The instance as its thaw has left it, for the event that ends the operation: whoever waited for that may send the
 * next request before the engine's own event has come, and must not find a frozen instance.
 */
export async function observeThawed<K extends OnInstance>(context: Context<K>, instance: string): Promise<Observed[]> {
  if (!wasFrozen(context)) return []
  const { container } = await loadInstance(context, instance)
  const detail = await context.engine.containers.inspect(container, context.signal)
  return detail === undefined ? [] : [observe(context.engine.member, detail)]
}
