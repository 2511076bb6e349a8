/**
 * A new container in the place of the old one, with its files, name, address and volumes (engine.md, recipe 1).
 * The order of the steps makes every point safe: the old container stays whole until the record names the new one.
 */
import type { InstanceRecord } from '../src/contract/records.ts'
import type { Kind } from '../src/operations/catalog.ts'
import {
  finalName,
  imageOf,
  loadInstance,
  makeContainer,
  startContainer,
  temporaryName,
  unmakeContainer,
} from './containers.ts'
import { found } from './freezing.ts'
import { observe, type Context, type Step } from './steps.ts'
import { stopContainer } from './stopping.ts'
import { removeVolumes } from './volumes.ts'

export interface Recreation<K extends Kind> {
  instance(context: Context<K>): string
  /** What the instance becomes; `container` is filled in here. */
  next(context: Context<K>, now: InstanceRecord): Promise<InstanceRecord>
  /** The engine's image the new container is made from. */
  image(context: Context<K>): Promise<string>
  when?(context: Context<K>): boolean
}

type Steps<K extends Kind> = Record<'container' | 'stop' | 'aside' | 'name' | 'start' | 'record' | 'cleanup', Step<K>>

/** The steps by name; the caller puts them into the order its kind needs. */
export function recreationSteps<K extends Kind>(recreation: Recreation<K>): Steps<K> {
  const load = (context: Context<K>) => loadInstance(context, recreation.instance(context))
  const always = () => true
  const when = recreation.when ?? always
  const sideName = (context: Context<K>) => `${temporaryName(context)}-old`
  const old = (context: Context<K>) => (context.note('container') as { old: string }).old // the step's own note
  const made = (context: Context<K>) => (context.note('container') as { made: string }).made // the step's own note

  return {
    container: {
      name: 'container',
      when,
      run: async (context) => {
        const instance = await load(context)
        const image = await imageOf(context, await recreation.image(context))
        const next = { ...(await recreation.next(context, instance)), engineImage: image.id }
        return { old: instance.container, made: await makeContainer(context, next, image), next, volumes: instance.volumes }
      },
      undo: unmakeContainer,
    },
    stop: {
      name: 'stop',
      when: (context) => when(context) && found(context).running,
      run: async (context) => {
        const instance = await load(context)
        if (found(context).paused) await context.engine.containers.unpause(instance.container, context.signal)
        await stopContainer(context, instance, { timeout: 10, force: false }).catch(() =>
          stopContainer(context, instance, { timeout: 0, force: true }),
        )
      },
      undo: async (context) => {
        await startContainer(context, (await load(context)).container)
        return 'Started the instance again'
      },
    },
    aside: {
      name: 'aside',
      when,
      run: async (context) => context.engine.containers.rename(old(context), sideName(context), context.signal),
      undo: async (context) => {
        const instance = await load(context)
        await context.engine.containers.rename(instance.container, finalName(instance), context.signal)
        return 'Gave the instance its container back'
      },
    },
    name: {
      name: 'name',
      when,
      run: async (context) => context.engine.containers.rename(made(context), finalName(await load(context)), context.signal),
      undo: async (context) => {
        await context.engine.containers.rename(made(context), temporaryName(context), context.signal)
        return undefined
      },
    },
    start: {
      name: 'start',
      when: (context) => when(context) && found(context).running,
      run: async (context) => {
        const detail = await startContainer(context, made(context))
        if (found(context).paused) await context.engine.containers.pause(detail.id, context.signal)
      },
      undo: async (context) => {
        await context.engine.containers.kill(made(context), 'SIGKILL', context.signal)
        return undefined
      },
    },
    record: {
      name: 'record',
      when,
      run: async (context) => {
        const instance = await load(context)
        const detail = await context.engine.containers.inspect(made(context), context.signal)
        const { next } = context.note('container') as { next: InstanceRecord } // the step's own note
        const record = { ...next, rev: instance.rev, container: made(context) }
        await context.forward(
          [{ change: 'put', noun: 'instance', record }],
          detail === undefined ? [] : [observe(context.engine.member, detail)],
        )
      },
    },
    cleanup: {
      name: 'cleanup',
      when,
      run: async (context) => {
        await context.engine.containers.remove(old(context), { force: true }, context.signal)
        const { next, volumes } = context.note('container') as Record<'next', InstanceRecord> & Pick<InstanceRecord, 'volumes'> // the step's own note
        const kept = new Set(next.volumes.map(({ volume }) => volume))
        await removeVolumes(context, volumes.filter(({ volume }) => !kept.has(volume)))
      },
    },
  }
}
