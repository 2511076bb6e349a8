/** The services of instances and of what they are made from: images, snapshots, backups. */
import { createRedisTransfers } from './redis/transfers.ts'
import { createAliases } from './services/aliases.ts'
import { createBackups } from './services/backups.ts'
import { createImageNames } from './services/image-names.ts'
import { createImages, type ImagesDeps } from './services/images.ts'
import { createInstanceBulk, type InstanceBulkDeps } from './services/instance-bulk.ts'
import { createInstanceCreation, type InstanceCreationDeps } from './services/instance-creation.ts'
import { createInstanceImport } from './services/instance-import.ts'
import { createInstanceRefresh } from './services/instance-refresh.ts'
import { createInstances, type InstancesDeps } from './services/instances.ts'
import { createSnapshots } from './services/snapshots.ts'
import { createUploads } from './services/uploads.ts'
import type { Deps } from './wire.ts'

type Shared = Omit<InstanceCreationDeps, 'images' | 'refresh'> &
  InstancesDeps &
  Pick<InstanceBulkDeps, 'streams'> &
  Pick<ImagesDeps, 'engines' | 'lookup' | 'write'>

export function assembleInstances({ config, database, clock, deployment }: Deps, shared: Shared) {
  const transfers = createRedisTransfers(database, clock)
  const uploads = createUploads({ transfers, uploadLimit: config.WINDLASS_UPLOAD_GIB })
  const refresh = createInstanceRefresh(shared)
  const creation = createInstanceCreation({ ...shared, refresh, images: shared.lookup })
  const instances = createInstances(shared)
  return {
    imageNames: createImageNames(shared),
    instances: { ...instances, ...createInstanceBulk({ ...shared, instances }), create: creation.create },
    imports: createInstanceImport({ ...shared, creation, uploads, deployment }),
    snapshots: createSnapshots(shared),
    backups: createBackups({ ...shared, deployment }),
    images: createImages({ ...shared, deployment, uploads }),
    aliases: createAliases(shared),
  }
}
