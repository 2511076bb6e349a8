import { copyFor, fillVolume, loadVolume, loadVolumeSnapshot, ownVolumeOf, unmakeVolume } from '../custom-volumes.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import type { Context, Handler } from '../steps.ts'
import { stillSteps } from '../still-users.ts'

type Copying = Context<'volume.copy'>

const still = stillSteps<'volume.copy'>()

const along = ({ input }: Copying) => input.snapshots ?? []

/** A new custom volume with the files that another one has, or had at a snapshot; with its snapshots, if they are wanted. */
export const volumeCopy: Handler<'volume.copy'> = {
  steps: [
    ...still.before,
    {
      name: 'volume',
      run: async (context) => fillVolume(context, ownVolumeOf(context.input.volume), await sourceOf(context)),
      undo: (context) => unmakeVolume(context, context.input.volume.volume),
    },
    still.after,
    {
      name: 'snapshots',
      when: (context) => along(context).length > 0,
      run: async (context) => {
        for (const [at, { from, record }] of along(context).entries()) {
          await fillVolume(context, copyFor(record), (await loadVolumeSnapshot(context, from)).volume)
          context.progress(`Copying snapshot ${record.name}`, Math.round(((at + 1) / along(context).length) * 100))
        }
      },
      undo: async (context) => {
        for (const { record } of along(context)) await unmakeVolume(context, record.volume)
        return 'Removed the new snapshots'
      },
    },
  ],
  finish: async (context) => ({
    changes: [
      { change: 'put', noun: 'volume', record: context.input.volume },
      ...along(context).map(({ record }): RecordChange => ({ change: 'put', noun: 'volume-snapshot', record })),
    ],
    context: { type: 'custom' },
    project: context.input.volume.project,
    observed: await still.observed(context),
  }),
}

async function sourceOf(context: Copying): Promise<string> {
  const { from, snapshot } = context.input
  return (snapshot === undefined ? await loadVolume(context, from) : await loadVolumeSnapshot(context, snapshot)).volume
}
