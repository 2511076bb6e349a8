/** The total map of kinds to what performs them: a kind without a handler does not compile. */
import type { WorkerKind } from '../../src/operations/catalog.ts'
import type { Handler } from '../steps.ts'
import { backupCreate } from './backup-create.ts'
import { backupDelete } from './backup-delete.ts'
import { backupRename } from './backup-rename.ts'
import { imageDelete } from './image-delete.ts'
import { imageImport } from './image-import.ts'
import { imagePack } from './image-pack.ts'
import { imagePublish } from './image-publish.ts'
import { imagePull } from './image-pull.ts'
import { imagePush } from './image-push.ts'
import { imageRefresh } from './image-refresh.ts'
import { instanceCopy } from './instance-copy.ts'
import { instanceCreate } from './instance-create.ts'
import { instanceDelete } from './instance-delete.ts'
import { instanceExec } from './instance-exec.ts'
import { instanceFreeze } from './instance-freeze.ts'
import { instanceImport } from './instance-import.ts'
import { instanceRefresh } from './instance-refresh.ts'
import { instanceRename } from './instance-rename.ts'
import { instanceRestart } from './instance-restart.ts'
import { instanceStart } from './instance-start.ts'
import { instanceStop } from './instance-stop.ts'
import { instanceUnfreeze } from './instance-unfreeze.ts'
import { instanceUpdate } from './instance-update.ts'
import { networkCreate } from './network-create.ts'
import { networkDelete } from './network-delete.ts'
import { networkRename } from './network-rename.ts'
import { projectRename } from './project-rename.ts'
import { serverReconcile } from './server-reconcile.ts'
import { snapshotCreate } from './snapshot-create.ts'
import { snapshotDelete } from './snapshot-delete.ts'
import { snapshotRename } from './snapshot-rename.ts'
import { snapshotRestore } from './snapshot-restore.ts'
import { snapshotUpdate } from './snapshot-update.ts'
import { volumeBackupCreate } from './volume-backup-create.ts'
import { volumeBackupDelete } from './volume-backup-delete.ts'
import { volumeBackupRename } from './volume-backup-rename.ts'
import { volumeCopy } from './volume-copy.ts'
import { volumeCreate } from './volume-create.ts'
import { volumeDelete } from './volume-delete.ts'
import { volumeImport } from './volume-import.ts'
import { volumeRefresh } from './volume-refresh.ts'
import { volumeRestore } from './volume-restore.ts'
import { volumeSnapshotCreate } from './volume-snapshot-create.ts'
import { volumeSnapshotDelete } from './volume-snapshot-delete.ts'
import { volumeSnapshotRename } from './volume-snapshot-rename.ts'

export const handlers: { [K in WorkerKind]: Handler<K> } = {
  'instance.create': instanceCreate,
  'instance.copy': instanceCopy,
  'instance.refresh': instanceRefresh,
  'instance.import': instanceImport,
  'instance.update': instanceUpdate,
  'instance.rename': instanceRename,
  'instance.delete': instanceDelete,
  'instance.start': instanceStart,
  'instance.stop': instanceStop,
  'instance.restart': instanceRestart,
  'instance.freeze': instanceFreeze,
  'instance.unfreeze': instanceUnfreeze,
  'instance.exec': instanceExec,
  'snapshot.create': snapshotCreate,
  'snapshot.restore': snapshotRestore,
  'snapshot.update': snapshotUpdate,
  'snapshot.rename': snapshotRename,
  'snapshot.delete': snapshotDelete,
  'backup.create': backupCreate,
  'backup.rename': backupRename,
  'backup.delete': backupDelete,
  'image.import': imageImport,
  'image.pull': imagePull,
  'image.push': imagePush,
  'image.refresh': imageRefresh,
  'image.publish': imagePublish,
  'image.pack': imagePack,
  'image.delete': imageDelete,
  'network.create': networkCreate,
  'network.delete': networkDelete,
  'network.rename': networkRename,
  'volume.create': volumeCreate,
  'volume.copy': volumeCopy,
  'volume.delete': volumeDelete,
  'volume.restore': volumeRestore,
  'volume.refresh': volumeRefresh,
  'volume.import': volumeImport,
  'volume-snapshot.create': volumeSnapshotCreate,
  'volume-snapshot.rename': volumeSnapshotRename,
  'volume-snapshot.delete': volumeSnapshotDelete,
  'volume-backup.create': volumeBackupCreate,
  'volume-backup.rename': volumeBackupRename,
  'volume-backup.delete': volumeBackupDelete,
  'project.rename': projectRename,
  'server.reconcile': serverReconcile,
}
