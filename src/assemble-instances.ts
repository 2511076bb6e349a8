/** The services of instances and of what they are made from: images, snapshots, backups. */
import type { Config } from './config.ts'
import { createRedisTransfers } from './redis/transfers.ts'
import { createAliases } from './services/aliases.ts'
import { createBackups, type BackupsDeps } from './services/backups.ts'
import { createImageLookup, type ImageLookupDeps } from './services/image-lookup.ts'
import { createImageNames } from './services/image-names.ts'
import { createImageSources } from './services/image-sources.ts'
import { createExpectedBy, createSharedBy } from './services/image-tokens.ts'
import { createImageUsed } from './services/image-use.ts'
import { createImages, type ImagesDeps } from './services/images.ts'
import { createInstanceBulk, type InstanceBulkDeps } from './services/instance-bulk.ts'
import { createInstanceCreation, type InstanceCreationDeps } from './services/instance-creation.ts'
import { createInstanceImport } from './services/instance-import.ts'
import { createInstanceRefresh } from './services/instance-refresh.ts'
import { createInstances, type InstancesDeps } from './services/instances.ts'
import { createOpenKept } from './services/kept-files.ts'
import { createSendTarball } from './services/kept-tarballs.ts'
import { createSnapshots } from './services/snapshots.ts'
import { createUploads } from './services/uploads.ts'
import type { Write } from './services/writes.ts'
import type { Deps } from './wire.ts'

/** Tarballs on their way into the engines and out of them. */
export function assembleMoving({ config, database, clock, deployment, engines }: Deps, write: Write) {
  const transfers = createRedisTransfers(database, clock)
  const openKept = createOpenKept({ engines, deployment, transfers })
  return {
    uploads: createUploads({ transfers, uploadLimit: config.WINDLASS_UPLOAD_GIB, deployment, clock }),
    openKept,
    send: createSendTarball({ openKept, write }),
  }
}

type SharedByDeps = Parameters<typeof createSharedBy>[0]

/** How images are found, here and elsewhere. */
export function assembleImageSources(
  config: Config,
  common: Omit<ImageLookupDeps, 'sources' | 'sharedBy'> & SharedByDeps,
) {
  const sources = createImageSources({
    registry: config.WINDLASS_REGISTRY,
    reach: config.WINDLASS_OPERATORS_REACH,
    limit: config.WINDLASS_UPLOAD_GIB,
  })
  return { sources, lookup: createImageLookup({ ...common, sources, sharedBy: createSharedBy(common) }) }
}

type Shared = Omit<InstanceCreationDeps, 'images' | 'imageUsed' | 'refresh'> &
  InstancesDeps &
  Pick<InstanceBulkDeps, 'streams'> &
  Pick<ImagesDeps, 'engines' | 'lookup' | 'sources' | 'write' | 'uploads' | 'openKept'> &
  Pick<BackupsDeps, 'send'>

export function assembleInstances({ clock, deployment, store }: Deps, shared: Shared) {
  const refresh = createInstanceRefresh(shared)
  const imageUsed = createImageUsed(shared)
  const creation = createInstanceCreation({ ...shared, refresh, images: shared.lookup, imageUsed })
  const instances = createInstances(shared)
  return {
    imageNames: createImageNames(shared),
    instances: { ...instances, ...createInstanceBulk({ ...shared, instances }), create: creation.create },
    imports: createInstanceImport({ ...shared, creation }),
    snapshots: createSnapshots(shared),
    backups: createBackups(shared),
    images: createImages({ ...shared, deployment, expectedBy: createExpectedBy({ store, clock }) }),
    aliases: createAliases(shared),
  }
}
