/** Steps that hold an instance still while its files are copied, and let it go on whatever happened in between. */
import type { Kind } from '../src/operations/catalog.ts'
import { containerOf, loadInstance } from './containers.ts'
import type { Context, Step } from './steps.ts'

/** How the instance was found; kept before anything is changed, so that a later attempt knows what to go back to. */
export interface Found {
  running: boolean
  paused: boolean
}

export function found(context: Context<Kind>): Found {
  return context.note('look') as Found // the note of `lookStep`
}

type OnInstance = Extract<
  Kind,
  'snapshot.create' | 'snapshot.restore' | 'instance.update' | 'instance.copy' | 'image.publish'
>

/** Notes whether the instance runs and is paused. */
export function lookStep<K extends OnInstance>(instanceOf: (context: Context<K>) => string): Step<K> {
  return {
    name: 'look',
    run: async (context) => {
      const instance = await loadInstance(context, instanceOf(context))
      const { status } = await containerOf(context, instance)
      return { running: status === 'running' || status === 'paused', paused: status === 'paused' } satisfies Found
    },
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
    when: (context) => found(context).running && !found(context).paused,
    run: async (context) => {
      const instance = await loadInstance(context, instanceOf(context))
      await context.engine.containers.pause(instance.container, context.signal)
    },
    undo: thaw,
  }
}

export function thawStep<K extends OnInstance>(instanceOf: (context: Context<K>) => string): Step<K> {
  return {
    name: 'thaw',
    when: (context) => found(context).running && !found(context).paused,
    run: async (context) => {
      const instance = await loadInstance(context, instanceOf(context))
      await context.engine.containers.unpause(instance.container, context.signal)
    },
  }
}
