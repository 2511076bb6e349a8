import type { KeptTarball } from '../../src/core/backups.ts'
import { KEPT_FILE } from '../../src/core/kept-files.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { copyFor, makeVolume, ownVolumeOf, unmakeVolume } from '../custom-volumes.ts'
import { dropVolume } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

type Importing = Context<'volume.import'>

/** A backup becomes a custom volume with the snapshots it holds. It is read to its end before anything is made. */
export const volumeImport: Handler<'volume.import'> = {
  steps: [
    {
      name: 'survey',
      run: (context) => context.engine.volumeBackups.survey(keptOf(context), context.progress, context.signal),
      undo: async (context) => ((await dropVolume(context, context.input.upload)) ? 'Removed the upload' : undefined),
    },
    {
      name: 'volumes',
      run: async (context) => {
        for (const made of allOf(context)) await makeVolume(context, made)
      },
      undo: async (context) => {
        for (const { volume } of allOf(context)) await unmakeVolume(context, volume)
        return 'Removed the new volume'
      },
    },
    { name: 'unpack', run: unpack },
    { name: 'cleanup', run: (context) => dropVolume(context, context.input.upload) },
  ],
  finish: async ({ input }) => ({
    changes: [
      { change: 'put', noun: 'volume', record: input.volume },
      ...input.snapshots.map((record): RecordChange => ({ change: 'put', noun: 'volume-snapshot', record })),
    ],
    context: { type: 'custom' },
    project: input.volume.project,
  }),
}

const allOf = ({ input }: Importing) => [ownVolumeOf(input.volume), ...input.snapshots.map(copyFor)]

function keptOf(context: Importing): KeptTarball {
  const { uuid, project } = context.input.volume
  return { volume: context.input.upload, file: KEPT_FILE, labels: context.labels({ role: 'helper', uuid, project }) }
}

/** The same files again do no harm. */
async function unpack(context: Importing): Promise<void> {
  const { volume, snapshots } = context.input
  const into = { volume: volume.volume, snapshots: snapshots.map((one) => one.volume) }
  await context.engine.volumeBackups.unpack(keptOf(context), into, context.progress, context.signal)
}
