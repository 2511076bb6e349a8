import type { InstanceRecord } from '../../src/contract/records.ts'
import { restoredConfig } from '../../src/core/config-keys.ts'
import { foreseeSpec, loadInstance, loadSnapshot, seenContainer } from '../containers.ts'
import { lookStep } from '../freezing.ts'
import { foreseeUse, freeUnused, macsOf } from '../leases.ts'
import { madeBy, recreationSteps } from '../recreating.ts'
import { observe, vanished, type Context, type Handler } from '../steps.ts'
import { freshPaths, newVolumes, volumeSteps } from '../volumes.ts'

type Restoring = Context<'snapshot.restore'>

const steps = recreationSteps<'snapshot.restore'>({
  instance: ({ input }) => input.instance,
  image: async (context) => (await snapshotOf(context)).engineImage,
  next: async (context, now) => ({ ...(await restored(context, now)), volumes: newVolumes(context) }),
  fresh: async (context) => freshPaths(newVolumes(context), (await snapshotOf(context)).volumes),
})

/** The instance as it was at the snapshot: files, volumes, configuration. It runs afterwards if it ran before. */
export const snapshotRestore: Handler<'snapshot.restore'> = {
  steps: [
    lookStep(({ input }) => input.instance, foresee),
    ...volumeSteps<'snapshot.restore'>({
      owner: ({ input, operation }) => ({ uuid: input.instance, project: operation.project }),
      next: async (context) => restored(context, await loadInstance(context, context.input.instance)),
      from: async (context) => (await snapshotOf(context)).volumes,
    }),
    steps.container,
    steps.stop,
    steps.name,
    steps.start,
    steps.record,
    steps.cleanup,
  ],
  finish: async (context) => {
    const { old, next } = madeBy(context)
    foreseeUse(context, next)
    const [instance, snapshot] = await Promise.all([
      loadInstance(context, context.input.instance),
      context.records.get('snapshot', context.input.snapshot),
    ])
    const { member } = context.engine
    return {
      changes: await freeUnused(context, instance),
      context: { snapshot: snapshot === undefined ? '' : `${instance.name}/${snapshot.name}` },
      source: context.operation.entity.url,
      observed: [vanished(member, old), observe(member, await seenContainer(context, instance))],
    }
  },
}

/** What fails is met where it is needed. */
function foresee(context: Restoring, instance: InstanceRecord): void {
  foreseeSpec(context, instance)
  context.records.get('snapshot', context.input.snapshot).catch(() => undefined)
}

const snapshotOf = (context: Restoring) => loadSnapshot(context, context.input.snapshot)

/** What the instance becomes, but for its volumes. */
async function restored(context: Restoring, now: InstanceRecord): Promise<InstanceRecord> {
  const snapshot = await snapshotOf(context)
  const { devices, profiles, ephemeral, description, boot, image, metadata } = snapshot
  const config = { ...(await macsOf(context, now)), ...restoredConfig(now.config, snapshot.config) }
  const { metadata: _own, ...kept } = now
  const own = { ...kept, config, devices, profiles, ephemeral, description, boot, image }
  return metadata === undefined ? own : { ...own, metadata }
}
