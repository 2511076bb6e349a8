import type { InstanceRecord } from '../../src/contract/records.ts'
import { withTrigger } from '../../src/core/guest.ts'
import { applied } from '../../src/core/pending.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { loadInstance, seenContainer } from '../containers.ts'
import { commitStep, copiedSnapshots, snapshotsStep } from '../copies.ts'
import { freezeStep, lookStep, observeThawed, thawStep } from '../freezing.ts'
import { committed, madeBy, recreationSteps } from '../recreating.ts'
import { removeSnapshot, stillKept } from '../removing.ts'
import { observe, vanished, type Context, type Handler } from '../steps.ts'
import { freshPaths, newVolumes, volumeSteps } from '../volumes.ts'

type Refreshing = Context<'instance.refresh'>

const sourceOf = ({ input }: Refreshing) => input.source
const copyOf = ({ input }: Refreshing) => input.instance

const steps = recreationSteps<'instance.refresh'>({
  instance: copyOf,
  stays: 'stopped',
  image: committed,
  next: async (context) => ({ ...(await refreshed(context)), volumes: newVolumes(context) }),
  fresh: async (context) => freshPaths(newVolumes(context), (await loadInstance(context, sourceOf(context))).volumes),
})

/** A stopped copy gets the files, volumes and snapshots that its source has now. Configuration and addresses stay its own. */
export const instanceRefresh: Handler<'instance.refresh'> = {
  steps: [
    lookStep(sourceOf),
    freezeStep(sourceOf),
    commitStep({ source: sourceOf, owner: copyOf }),
    ...volumeSteps<'instance.refresh'>({
      owner: (context) => ({ uuid: copyOf(context), project: context.operation.project }),
      next: refreshed,
      from: async (context) => (await loadInstance(context, sourceOf(context))).volumes,
    }),
    thawStep(sourceOf),
    snapshotsStep(({ input }) => input.snapshots),
    steps.container,
    steps.name,
    steps.record,
    steps.cleanup,
    {
      name: 'snapshots-gone',
      when: ({ input }) => input.gone.length > 0,
      run: async (context) => {
        for (const snapshot of await stillKept(context, 'snapshot', context.input.gone))
          await removeSnapshot(context, snapshot)
      },
    },
  ],
  finish: async (context) => {
    const instance = await loadInstance(context, copyOf(context))
    const gone = await stillKept(context, 'snapshot', context.input.gone)
    const { old } = madeBy(context)
    const { member } = context.engine
    return {
      changes: [
        ...gone.map(({ uuid, rev }): RecordChange => ({ change: 'remove', noun: 'snapshot', uuid, rev })),
        ...copiedSnapshots(context).map((record): RecordChange => ({ change: 'put', noun: 'snapshot', record })),
      ],
      observed: [
        ...(await observeThawed(context, sourceOf(context))),
        vanished(member, old),
        observe(member, await seenContainer(context, instance)),
      ],
    }
  },
}

/** What the copy becomes, but for its volumes: how it boots goes with the files. */
async function refreshed(context: Refreshing): Promise<InstanceRecord> {
  const [now, source] = await Promise.all([
    loadInstance(context, copyOf(context)),
    loadInstance(context, sourceOf(context)),
  ])
  const { metadata: _own, ...kept } = now
  const { boot, image, architecture, metadata } = source
  const next = { ...kept, boot, image, architecture, ...(metadata !== undefined && { metadata }) }
  return withTrigger(applied(next), 'copy')
}
