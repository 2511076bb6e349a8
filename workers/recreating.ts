/**
 * A new container in the place of the old one, with its files, name, address and volumes (engine.md, recipe 1).
 * The order of the steps makes every point safe: the old container stays whole until the record names the new one.
 */
import type { InstanceRecord } from '../src/contract/records.ts'
import { prepared } from '../src/core/guest.ts'
import type { Kind } from '../src/operations/catalog.ts'
import {
  finalName,
  foreseeSpec,
  imageOf,
  leaveAs,
  loadInstance,
  makeContainer,
  startContainer,
  temporaryName,
  unmakeContainer,
} from './containers.ts'
import { commitInstance, ownTag, releaseOwnImage } from './engine-images.ts'
import { found, type Found } from './freezing.ts'
import { prepareGuest } from './guest.ts'
import { observe, type Context, type Step } from './steps.ts'
import { stopContainer } from './stopping.ts'
import { removeVolumes } from './volumes.ts'

/** Seconds a running instance gets to stop by itself before it is killed. */
const STOP_WITHIN = 10

export interface Recreation<K extends Kind> {
  instance(context: Context<K>): string
  /** What the instance becomes; `container` is filled in here. */
  next(context: Context<K>, now: InstanceRecord): Promise<InstanceRecord>
  /** The engine's image the new container is made from. */
  image(context: Context<K>): Promise<string>
  /** Paths of those of its volumes that are new. */
  fresh(context: Context<K>): Promise<string[]>
  when?(context: Context<K>): boolean
  /** The note of `lookStep` is about another instance, this one does not run. */
  stays?: 'stopped'
}

type StepName = 'commit' | 'container' | 'stop' | 'name' | 'start' | 'record' | 'cleanup'

/** What the step `container` found and made. */
interface Made {
  old: string
  made: string
  next: InstanceRecord
  /** The instance's volumes and image before. */
  volumes: InstanceRecord['volumes']
  engineImage: string
}

/** What the step `container` found and made, for the steps after it and the end. */
export const madeBy = (context: Context<Kind>): Made => context.note('container') as Made // the step's own note

/** The steps by name; the caller puts them into the order its kind needs. */
export function recreationSteps<K extends Kind>(recreation: Recreation<K>): Record<StepName, Step<K>> {
  const when = (context: Context<K>) => recreation.when === undefined || recreation.when(context)
  const recordNewly: Omit<Step<K>, 'name'> = {
    run: (context) => recordNew(context, recreation),
    lasts: () => true,
    writesFirst: true,
  }
  const whenItRan = (context: Context<K>) => when(context) && found(context).running
  return {
    commit: { name: 'commit', when, ...commitOld(recreation) },
    container: { name: 'container', when, run: (context) => makeBeside(context, recreation), undo: unmakeContainer },
    stop: { name: 'stop', when: whenItRan, ...stopOld(recreation) },
    name: { name: 'name', when, ...swapNames(recreation) },
    start: { name: 'start', when: whenItRan, run: startNew, undo: killNew },
    record: { name: 'record', when, ...recordNewly },
    cleanup: { name: 'cleanup', when, run: removeOld },
  }
}

type Act<K extends Kind> = Pick<Step<K>, 'run' | 'undo'>

const load = <K extends Kind>(context: Context<K>, recreation: Recreation<K>) =>
  loadInstance(context, recreation.instance(context))

/** The files of the old container as an image, for kinds that make the new one from it. */
function commitOld<K extends Kind>(recreation: Recreation<K>): Act<K> {
  return {
    run: async (context) => {
      const instance = await load(context, recreation)
      const made = { role: 'helper', uuid: instance.uuid, tag: ownTag(context, instance.uuid) } as const
      return { engineImage: await commitInstance(context, instance, made) }
    },
    undo: async (context) => {
      await context.engine.images.untag(ownTag(context, recreation.instance(context)), context.signal)
      return undefined
    },
  }
}

/** The image that the step `commit` has made. */
export async function committed(context: Context<Kind>): Promise<string> {
  return (context.note('commit') as { engineImage: string }).engineImage // the step's own note
}

async function makeBeside<K extends Kind>(context: Context<K>, recreation: Recreation<K>): Promise<Made> {
  const instance = await load(context, recreation)
  foreseeSpec(context, instance)
  const image = await imageOf(context, await recreation.image(context))
  const next = { ...(await recreation.next(context, instance)), engineImage: image.id }
  const made = await makeContainer(context, next, image, await recreation.fresh(context))
  const { container: old, volumes, engineImage } = instance
  return { old, made, next, volumes, engineImage }
}

function stopOld<K extends Kind>(recreation: Recreation<K>): Act<K> {
  return {
    run: async (context) => {
      const instance = await load(context, recreation)
      if (found(context).paused) await context.engine.containers.unpause(instance.container, context.signal)
      await stopContainer(context, instance, { timeout: STOP_WITHIN, force: false }).catch(() =>
        stopContainer(context, instance, { timeout: 0, force: true }),
      )
    },
    undo: async (context) => {
      const { container } = await load(context, recreation)
      await startContainer(context, container)
      if (found(context).paused) await context.engine.containers.pause(container, context.signal)
      return 'Started the instance again'
    },
  }
}

/** The old container steps aside, the new one takes its name. */
function swapNames<K extends Kind>(recreation: Recreation<K>): Act<K> {
  return {
    run: async (context) => {
      const { old, made, next } = madeBy(context)
      await context.engine.containers.rename(old, `${temporaryName(context)}-old`, context.signal)
      await context.engine.containers.rename(made, finalName(next), context.signal)
    },
    undo: async (context) => {
      await context.engine.containers.rename(madeBy(context).made, temporaryName(context), context.signal)
      const instance = await load(context, recreation)
      await context.engine.containers.rename(instance.container, finalName(instance), context.signal)
      return 'Gave the instance its container back'
    },
  }
}

async function startNew<K extends Kind>(context: Context<K>): Promise<void> {
  const { made, next } = madeBy(context)
  await prepareGuest(context, next, made)
  const detail = await startContainer(context, made)
  if (found(context).paused) await context.engine.containers.pause(detail.id, context.signal)
}

async function killNew<K extends Kind>(context: Context<K>): Promise<undefined> {
  await context.engine.containers.kill(madeBy(context).made, 'SIGKILL', context.signal)
  return undefined
}

/** Whether `startNew` has run, or will. */
function ranBefore(context: Context<Kind>): boolean {
  return (context.note('look') as Found | undefined)?.running === true // the note of `lookStep`, where there is one
}

/** The point of no return. */
async function recordNew<K extends Kind>(context: Context<K>, recreation: Recreation<K>): Promise<void> {
  const { made, next } = madeBy(context)
  const [instance, detail] = await Promise.all([
    load(context, recreation),
    context.engine.containers.inspect(made, context.signal),
  ])
  if (detail !== undefined) leaveAs(context, detail)
  const isPrepared = recreation.stays === undefined && ranBefore(context)
  const record = { ...(isPrepared ? prepared(next) : next), rev: instance.rev, container: made }
  await context.forward(
    [{ change: 'put', noun: 'instance', record }],
    detail === undefined ? [] : [observe(context.engine.member, detail)],
  )
}

async function removeOld<K extends Kind>(context: Context<K>): Promise<void> {
  const { old, next, volumes, engineImage } = madeBy(context)
  const gone = context.engine.containers.remove(old, { force: true }, context.signal)
  if (engineImage !== next.engineImage) await releaseOwnImage(context, { uuid: next.uuid, engineImage }, gone)
  await gone
  const kept = new Set(next.volumes.map(({ volume }) => volume))
  await removeVolumes(
    context,
    volumes.filter(({ volume }) => !kept.has(volume)),
  )
}
