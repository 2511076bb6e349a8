/** A backup that is sent becomes an instance: by the same checks as one that is created, with the rights of who sends it. */
import type { Readable } from 'node:stream'
import type { InstancePortrait, SnapshotPortrait } from '../contract/backup.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { InstanceRecord, ProjectRecord, SnapshotRecord } from '../contract/records.ts'
import type { BackupContents } from '../core/backups.ts'
import { checkVolumePath } from '../core/devices.ts'
import { withoutEmpty } from '../core/expand.ts'
import type { Engine } from '../core/engine.ts'
import { badRequest, conflict } from '../core/failure.ts'
import { parseInstanceName, parseSnapshotName } from '../core/names.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { restrictionFault } from '../core/restrictions.ts'
import { parseExpiry, timeOr } from '../core/times.ts'
import { requireProject, requireRole, type Caller } from './caller.ts'
import type { Drafts } from './drafts.ts'
import { engineOf } from './engine-of.ts'
import { loadProject } from './homes.ts'
import type { InstanceCreation } from './instance-creation.ts'
import { copyDraft } from './instance-draft.ts'
import { instanceResources } from './instance-urls.ts'
import { requirePool } from './storage.ts'
import type { Uploads } from './uploads.ts'

export interface InstanceImportDeps {
  records: RecordReader
  creation: Pick<InstanceCreation, 'submitNew' | 'basisOf'>
  drafts: Drafts
  uploads: Uploads
  engines: ReadonlyMap<string, Engine>
  clock: Clock
  /** The member new instances are placed on. */
  member: string
}

/** What comes with the upload, from its headers. */
export interface ImportInfo {
  /** Another name than the backup's. */
  name?: string | undefined
  pool?: string | undefined
  /** Aborts when the client is gone. */
  signal?: AbortSignal | undefined
}

export type InstanceImport = ReturnType<typeof createInstanceImport>

const TAKEN = 'Create instance from backup: Cannot restore volume, already exists on target'

export function createInstanceImport(deps: InstanceImportDeps) {
  const { records, creation, drafts, clock } = deps

  /** Keeps the tarball on the engine, checks what it says of itself, and has it unpacked. */
  async function take(caller: Caller, project: string, content: Readable, info: ImportInfo): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    requireProject(caller, project)
    const begun = await loadProject(records, project)
    if (info.pool) requirePool(info.pool)
    if (info.name) await requireFree(project, info.name)
    const engine = engineOf(deps.engines, deps.member)
    return deps.uploads.tarball(engine, { project, content, signal: info.signal }, async (kept, id) => {
      const contents = await engine.backups.read(kept, info.signal)
      return submit(caller, begun, { contents, name: info.name, volume: kept.volume, id })
    })
  }

  async function requireFree(project: string, name: string): Promise<void> {
    if ((await records.find('instance', project, parseInstanceName(name))) !== undefined) throw conflict(TAKEN)
  }

  async function submit(
    caller: Caller,
    begun: ProjectRecord,
    { contents, name, volume, id }: { contents: BackupContents; name: string | undefined; volume: string; id: string },
  ): Promise<OperationRecord> {
    const { instance } = contents
    const draft = draftFrom(begun.name, parseInstanceName(name || instance.name), instance)
    const snapshots = contents.snapshots.map((one) => ({
      record: snapshotFrom(draft, one),
      volumes: pathsOf(one),
    }))
    for (const { record } of snapshots) await checkSnapshot(caller, draft, record)
    return creation.submitNew({ caller, begun, nicknames: [], taken: TAKEN }, draft, [], (made) => ({
      id,
      kind: 'instance.import',
      input: { draft: made, upload: volume, volumes: pathsOf(instance), snapshots },
      resources: instanceResources(made),
    }))
  }

  function draftFrom(project: string, name: string, from: InstancePortrait): InstanceRecord {
    const basis = creation.basisOf(project, name)
    const draft = copyDraft(basis, { ephemeral: from.ephemeral ?? false }, partsOf(from, basis.architecture))
    const made = { ...draft, created_at: timeOr(from.created_at, draft.created_at) }
    if (name !== from.name) return made
    // The same one again, and no copy that would need an identity of its own inside.
    const { 'volatile.apply_template': _trigger, ...config } = made.config
    return { ...made, config }
  }

  function snapshotFrom(instance: InstanceRecord, from: SnapshotPortrait): SnapshotRecord {
    const { uuid, project, member, created_at, architecture } = instance
    return {
      v: 1,
      rev: 0,
      uuid: clock.uuid(),
      project,
      name: parseSnapshotName(from.name),
      member,
      instance: uuid,
      ...partsOf(from, architecture),
      engineImage: '',
      ephemeral: from.ephemeral ?? false,
      created_at: timeOr(from.created_at, created_at),
      expires_at: parseExpiry(from.expires_at),
      size: -1,
      volumes: [],
    }
  }

  /** Nobody may get by a snapshot, and a restore, what he may not have by himself. */
  async function checkSnapshot(caller: Caller, instance: InstanceRecord, snapshot: SnapshotRecord): Promise<void> {
    const { config, devices, profiles } = snapshot
    const expanded = await drafts.checkKept(caller.role, { ...instance, config, devices, profiles })
    const project = (await records.find('project', '', instance.project))?.config ?? {}
    const fault = restrictionFault(project, expanded)
    if (fault !== undefined) throw badRequest(`The project does not allow snapshot "${snapshot.name}": ${fault}`)
  }

  return { take }
}

function partsOf({ windlass, ...from }: InstancePortrait | SnapshotPortrait, architecture: string) {
  return {
    architecture: from.architecture || architecture,
    description: from.description ?? '',
    config: withoutEmpty(from.config ?? {}),
    devices: from.devices ?? {},
    profiles: from.profiles ?? [],
    engineImage: '',
    ...originOf(windlass, from.config?.['volatile.base_image']),
  }
}

/** Of one of LXD's own only the image is known by now. */
function originOf(own: InstancePortrait['windlass'], baseImage = '') {
  if (own === undefined) return { image: baseImage, boot: 'application' as const }
  const { image, runs, metadata } = own
  return { image, boot: runs.boot, ...(metadata !== undefined && { metadata }) }
}

function pathsOf({ name, windlass }: InstancePortrait | SnapshotPortrait): string[] {
  const paths = windlass?.volumes ?? []
  paths.forEach(checkVolumePath)
  if (new Set(paths).size < paths.length) throw badRequest(`The backup has two volumes at the same path of "${name}"`)
  return paths
}
