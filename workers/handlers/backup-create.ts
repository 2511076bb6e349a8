import type { BackupRecord, InstanceRecord, OwnVolume, SnapshotRecord } from '../../src/contract/records.ts'
import type { PackedBackup } from '../../src/core/backups.ts'
import { backupVolume, type KeptFile } from '../../src/core/kept-files.ts'
import { dropBackup, keepBackup } from '../backups.ts'
import { loadInstance } from '../containers.ts'
import { commitInstance, ownTag } from '../engine-images.ts'
import { found, freezeStep, lookStep, observeThawed, thawStep } from '../freezing.ts'
import { committed } from '../recreating.ts'
import type { Context, Handler } from '../steps.ts'
import { copyVolumes, unmakeVolumes } from '../volumes.ts'

type BackingUp = Context<'backup.create'>

const instanceOf = ({ input }: BackingUp) => input.instance

/**
 * An instance with its volumes and, unless they are not wanted, its snapshots as one tarball. A running one stands still
 * while its files are committed and its volumes copied, and runs on while they are packed.
 */
export const backupCreate: Handler<'backup.create'> = {
  steps: [
    lookStep(instanceOf),
    freezeStep(instanceOf),
    {
      name: 'commit',
      run: async (context) => {
        const instance = await loadInstance(context, instanceOf(context))
        const made = { role: 'helper', uuid: instance.uuid, tag: ownTag(context, instance.uuid) } as const
        return { engineImage: await commitInstance(context, instance, made) }
      },
      undo: dropCommit,
    },
    {
      name: 'volumes',
      when: (context) => found(context).running,
      run: async (context) =>
        copyVolumes(context, copies(context), (await loadInstance(context, instanceOf(context))).volumes),
      undo: (context) => unmakeVolumes(context, copies(context)),
    },
    thawStep(instanceOf),
    {
      name: 'pack',
      run: pack,
      undo: (context) => dropBackup(context, context.input.record),
    },
    {
      name: 'cleanup',
      run: async (context) => {
        await dropCommit(context)
        await unmakeVolumes(context, copies(context))
      },
    },
  ],
  finish: async (context) => {
    const { record, instance } = context.input
    const { size } = context.note('pack') as KeptFile // the step's own note
    const made: BackupRecord = { ...record, size, tarball: backupVolume(record.uuid) }
    return {
      changes: [{ change: 'put', noun: 'backup', record: made }],
      observed: await observeThawed(context, instance),
    }
  },
}

/** Of the volumes of a running instance, until they are packed. */
function copies({ input, operation }: BackingUp) {
  return { role: 'helper', uuid: input.record.uuid, project: operation.project } as const
}

async function dropCommit(context: BackingUp): Promise<undefined> {
  await context.engine.images.untag(ownTag(context, instanceOf(context)), context.signal)
  return undefined
}

async function pack(context: BackingUp): Promise<KeptFile> {
  const contents = await contentsOf(context)
  return keepBackup(context, context.input.record, (options) =>
    context.engine.backups.pack(contents, options, context.signal),
  )
}

async function contentsOf(context: BackingUp): Promise<PackedBackup> {
  const instance = await loadInstance(context, instanceOf(context))
  const kept = context.input.record.instance_only ? [] : await context.records.list('snapshot', instance.uuid)
  const volumes = (context.note('volumes') ?? instance.volumes) as OwnVolume[] // the step's own note
  const snapshots = kept.toSorted((a, b) => (a.created_at < b.created_at ? -1 : 1))
  return {
    instance: {
      ...partOf(instance),
      volumes,
      engineImage: await committed(context),
      portrait: { ...portraitOf(instance), ...FIXED },
    },
    snapshots: snapshots.map((snapshot) => ({
      ...partOf(snapshot),
      portrait: { ...portraitOf(snapshot), ...FIXED, expires_at: snapshot.expires_at },
    })),
  }
}

/** What LXD's own index says besides. */
const FIXED = { stateful: false, type: 'container' }

function portraitOf(one: InstanceRecord | SnapshotRecord) {
  const { name, architecture, config, devices, profiles, ephemeral, description, created_at } = one
  return { name, architecture, config, devices, profiles, ephemeral, description, created_at }
}

function partOf({ boot, image, engineImage, volumes, metadata }: InstanceRecord | SnapshotRecord) {
  return { runs: { boot }, fingerprint: image, engineImage, volumes, metadata }
}
