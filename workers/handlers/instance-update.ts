import type { Config } from '../../src/contract/common.ts'
import type { InstanceRecord } from '../../src/contract/records.ts'
import { changeEffect } from '../../src/core/config-keys.ts'
import { devicesEffect, rootSize } from '../../src/core/devices.ts'
import { expandConfig, expandDevices } from '../../src/core/expand.ts'
import { applied, unapplied } from '../../src/core/pending.ts'
import { limitsOf } from '../../src/core/limits.ts'
import { containerOf, loadInstance, loadProfiles, seenContainer, tellOfSize } from '../containers.ts'
import { found, lookStep } from '../freezing.ts'
import { freeUnused } from '../leases.ts'
import { committed, madeBy, recreationSteps } from '../recreating.ts'
import { observe, vanished, type Context, type Handler } from '../steps.ts'
import { lackedPaths, makeVolumes, unmakeVolumes } from '../volumes.ts'

type Updating = Context<'instance.update'>

/** How the change takes effect; decided once, kept for later attempts. */
interface Plan {
  effect: 'record' | 'live' | 'recreate' | 'later'
}

const plan = (context: Updating) => context.note('plan') as Plan // the step's own note
const recreates = (context: Updating) => plan(context).effect === 'recreate'

const steps = recreationSteps<'instance.update'>({
  instance: ({ input }) => input.instance,
  when: recreates,
  image: committed,
  next: async (context, now) => ({
    ...applied(merged(now, context.input.next)),
    volumes: [...now.volumes, ...addedVolumes(context)],
  }),
  fresh: async (context) => addedVolumes(context).map(({ path }) => path),
})

/** Changes configuration, devices and profiles: in the record, live, or by recreating the container around its files. */
export const instanceUpdate: Handler<'instance.update'> = {
  steps: [
    {
      name: 'plan',
      run: async (context): Promise<Plan> => {
        const now = await loadInstance(context, context.input.instance)
        const effect = await effectOf(context, now, merged(now, context.input.next))
        const isLater = effect === 'recreate' && context.input.deferred === true && (await runs(context, now))
        return { effect: isLater ? 'later' : effect }
      },
      // What is made for a new container must not be forgotten because a profile says something else later.
      lasts: (planned) => (planned as Plan).effect !== 'recreate', // the step's own note
    },
    { ...lookStep(({ input }) => input.instance), when: (context) => plan(context).effect !== 'record' },
    {
      name: 'limits',
      when: (context) => ['live', 'later'].includes(plan(context).effect),
      run: async (context) => {
        const now = await loadInstance(context, context.input.instance)
        const next = merged(now, context.input.next)
        await applyLimits(context, now.container, expandConfig(await loadProfiles(context, next), next.config))
      },
      undo: async (context) => {
        const now = await loadInstance(context, context.input.instance)
        await applyLimits(context, now.container, (await expandedBefore(context, now)).config)
        return 'Set the old limits again'
      },
    },
    steps.stop,
    steps.commit,
    {
      name: 'volumes',
      when: recreates,
      run: async (context) => {
        const now = await loadInstance(context, context.input.instance)
        const has = now.volumes.map(({ path }) => path)
        const lacked = await lackedPaths(context, merged(now, context.input.next), has)
        return makeVolumes(context, owner(context), lacked)
      },
      undo: (context) => unmakeVolumes(context, owner(context)),
    },
    steps.container,
    steps.name,
    steps.start,
    steps.record,
    steps.cleanup,
  ],
  finish: async (context) => {
    const now = await loadInstance(context, context.input.instance)
    const detail = await seenContainer(context, now)
    const observed = [observe(context.engine.member, detail)]
    if (!recreates(context)) {
      const next = merged(now, context.input.next)
      await tellOfNewSize(context, now, next)
      const record = plan(context).effect === 'later' ? unapplied(next) : next
      return { changes: [{ change: 'put', noun: 'instance', record }], observed }
    }
    const how = found(context).running ? 'restarted' : 'recreated'
    context.warn(`The change needed a new container: the instance was ${how} with its files and addresses kept`)
    return {
      changes: await freeUnused(context, now),
      observed: [...observed, vanished(context.engine.member, madeBy(context).old)],
    }
  },
}

function owner({ input, operation }: Updating) {
  return { role: 'volume', uuid: input.instance, project: operation.project } as const
}

function addedVolumes(context: Updating): InstanceRecord['volumes'] {
  return context.note('volumes') as InstanceRecord['volumes'] // the step's own note
}

async function runs(context: Updating, now: InstanceRecord): Promise<boolean> {
  const { status } = await containerOf(context, now)
  return status === 'running' || status === 'paused'
}

/** Only what a user may change is taken from the request; everything else stays as the record has it. */
function merged(now: InstanceRecord, next: InstanceRecord): InstanceRecord {
  const { config, devices, profiles, description, ephemeral } = next
  return { ...now, config, devices, profiles, description, ephemeral }
}

async function effectOf(context: Updating, now: InstanceRecord, next: InstanceRecord): Promise<Plan['effect']> {
  const [before, after] = await Promise.all([expandedBefore(context, now), loadProfiles(context, next)])
  if (devicesEffect(before.devices, expandDevices(after, next.devices)) === 'recreate') return 'recreate'
  return changeEffect(before.config, expandConfig(after, next.config))
}

/** What the container was made by; a profile that has changed already says something else. */
async function expandedBefore(context: Updating, now: InstanceRecord) {
  if (context.input.before !== undefined) return context.input.before
  const profiles = await loadProfiles(context, now)
  return { config: expandConfig(profiles, now.config), devices: expandDevices(profiles, now.devices) }
}

async function tellOfNewSize(context: Updating, now: InstanceRecord, next: InstanceRecord): Promise<void> {
  const [before, after] = await Promise.all([expandedBefore(context, now), loadProfiles(context, next)])
  const size = rootSize(expandDevices(after, next.devices))
  if (size !== rootSize(before.devices)) tellOfSize(context, size)
}

async function applyLimits(context: Updating, container: string, config: Config): Promise<void> {
  const host = await context.engine.info(context.signal)
  await context.engine.containers.updateLimits(container, limitsOf(config, host), context.signal)
}
