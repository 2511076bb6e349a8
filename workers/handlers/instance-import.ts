import type { InstanceRecord, OwnVolume, SnapshotRecord } from '../../src/contract/records.ts'
import type { BackupRuns, KeptTarball, UnpackedPart } from '../../src/core/backups.ts'
import { KEPT_FILE } from '../../src/core/kept-files.ts'
import { snapshotTag } from '../../src/core/own-tags.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import { finalName, imageOf, makeContainer, seenContainer, unmakeContainer } from '../containers.ts'
import { ownTag } from '../engine-images.ts'
import { dropTag, dropVolume } from '../images.ts'
import { observe, type Context, type Handler } from '../steps.ts'
import { freshPaths, lackedPaths, makeVolumes, unmakeVolumes } from '../volumes.ts'

type Importing = Context<'instance.import'>

/** What the step `volumes` has made. */
interface Volumes {
  instance: OwnVolume[]
  snapshots: OwnVolume[][]
}

/** What the step `unpack` has made: the engine's images. */
interface Images {
  instance: string
  snapshots: string[]
}

/** A backup becomes an instance, stopped, with the snapshots and volumes it holds. It is read to its end before anything is made. */
export const instanceImport: Handler<'instance.import'> = {
  steps: [
    {
      name: 'survey',
      run: (context) => context.engine.backups.survey(keptOf(context), context.progress, context.signal),
      undo: async (context) => ((await dropVolume(context, context.input.upload)) ? 'Removed the upload' : undefined),
    },
    { name: 'volumes', run: makeAllVolumes, undo: unmakeAllVolumes },
    { name: 'unpack', run: unpack, undo: dropImages },
    {
      name: 'container',
      run: async (context) => {
        const next = become(context)
        const image = await imageOf(context, next.engineImage)
        const fresh = freshPaths(
          next.volumes,
          context.input.volumes.map((path) => ({ path, volume: '' })),
        )
        const container = await makeContainer(context, next, image, fresh)
        await context.engine.containers.rename(container, finalName(next), context.signal)
        return { container }
      },
      undo: unmakeContainer,
    },
    { name: 'cleanup', run: (context) => dropVolume(context, context.input.upload) },
  ],
  finish: async (context) => {
    const { container } = context.note('container') as { container: string } // the step's own note
    const record: InstanceRecord = { ...become(context), container }
    const detail = await seenContainer(context, record)
    return {
      changes: [
        { change: 'put', noun: 'instance', record },
        ...snapshotsOf(context).map((one): RecordChange => ({ change: 'put', noun: 'snapshot', record: one })),
      ],
      context: { type: 'container', 'storage-pool': 'default' },
      observed: [observe(context.engine.member, detail)],
    }
  },
}

const surveyed = (context: Importing) => context.note('survey') as BackupRuns // the step's own note
const volumesOf = (context: Importing) => context.note('volumes') as Volumes // the step's own note
const imagesOf = (context: Importing) => context.note('unpack') as Images // the step's own note

function keptOf(context: Importing): KeptTarball {
  const { uuid, project } = context.input.draft
  return { volume: context.input.upload, file: KEPT_FILE, labels: context.labels({ role: 'helper', uuid, project }) }
}

const ownerOf = ({ uuid, project }: InstanceRecord) => ({ role: 'volume', uuid, project }) as const
const snapshotOwner = ({ uuid, project }: SnapshotRecord) => ({ role: 'snapshot', uuid, project }) as const

async function makeAllVolumes(context: Importing): Promise<Volumes> {
  const { draft, volumes, snapshots } = context.input
  const lacked = await lackedPaths(context, draft, volumes)
  const instance = await makeVolumes(context, ownerOf(draft), [...volumes, ...lacked])
  const made: OwnVolume[][] = []
  for (const { record, volumes: paths } of snapshots)
    made.push(await makeVolumes(context, snapshotOwner(record), paths))
  return { instance, snapshots: made }
}

async function unmakeAllVolumes(context: Importing): Promise<string | undefined> {
  const { draft, snapshots } = context.input
  const told = await unmakeVolumes(context, ownerOf(draft))
  for (const { record } of snapshots) await unmakeVolumes(context, snapshotOwner(record))
  return told
}

async function unpack(context: Importing): Promise<Images> {
  const { draft, volumes, snapshots } = context.input
  const made = volumesOf(context)
  const runs = surveyed(context)
  const { uuid, project } = draft
  const instance: UnpackedPart = {
    image: {
      labels: context.labels({ role: 'image', uuid, project }),
      tag: ownTag(context, uuid),
      runs: runs.instance,
    },
    volumes: made.instance.slice(0, volumes.length).map(({ volume }) => volume),
  }
  const others = snapshots.map(({ record }, at): UnpackedPart => {
    const boot = runs.snapshots[at] ?? runs.instance
    return {
      image: {
        labels: context.labels({ role: 'snapshot', uuid: record.uuid, project, origin: record }),
        tag: snapshotTag(record.uuid),
        runs: boot,
      },
      volumes: (made.snapshots[at] ?? []).map(({ volume }) => volume),
    }
  })
  return context.engine.backups.unpack(
    keptOf(context),
    { instance, snapshots: others },
    context.progress,
    context.signal,
  )
}

async function dropImages(context: Importing): Promise<string | undefined> {
  const { draft, snapshots } = context.input
  const tags = [ownTag(context, draft.uuid), ...snapshots.map(({ record }) => snapshotTag(record.uuid))]
  let dropped = 0
  for (const tag of tags) if (await dropTag(context, tag)) dropped += 1
  return dropped === 0 ? undefined : `Removed ${dropped} new image${dropped === 1 ? '' : 's'}`
}

/** The draft with what the steps have made. */
function become(context: Importing): InstanceRecord {
  const { draft } = context.input
  const { boot } = surveyed(context).instance
  return { ...draft, boot, volumes: volumesOf(context).instance, engineImage: imagesOf(context).instance }
}

function snapshotsOf(context: Importing): SnapshotRecord[] {
  const runs = surveyed(context).snapshots
  const images = imagesOf(context).snapshots
  const volumes = volumesOf(context).snapshots
  return context.input.snapshots.map(({ record }, at) => ({
    ...record,
    boot: runs[at]?.boot ?? record.boot,
    engineImage: images[at] ?? '',
    volumes: volumes[at] ?? [],
  }))
}
