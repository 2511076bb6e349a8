/** The one storage pool: what the engine keeps containers, images and volumes in. */
import { statfs } from 'node:fs/promises'
import type { StoragePool, StoragePoolResources, StoragePoolsPost } from '../contract/storage.ts'
import { POOL } from '../core/devices.ts'
import type { Engine } from '../core/engine.ts'
import { badRequest, conflict, notFound } from '../core/failure.ts'
import type { RecordReader } from '../core/ports.ts'
import { mayEnter, requireRole, type Caller } from './caller.ts'
import { instanceUrl, snapshotUrl } from './instance-urls.ts'
import { imageUrl, profileUrl, volumeUrl } from './noun-urls.ts'

export interface StorageDeps {
  records: RecordReader
  engine: Engine
  /** Whether the engine runs on this machine, so that its directory can be looked at. */
  isLocal: boolean
}

export type Storage = ReturnType<typeof createStorage>

/** Milliseconds to wait for the engine where the answer is useful without it. */
const PATIENCE = 2_000

export function createStorage({ records, engine, isLocal }: StorageDeps) {
  async function list(caller: Caller): Promise<StoragePool[]> {
    return [await get(caller, POOL)]
  }

  async function get(caller: Caller, name: string): Promise<StoragePool> {
    requirePool(name)
    const source = await rootDir()
    return {
      name: POOL,
      description: "Docker Engine's own storage",
      driver: 'docker',
      status: 'Created',
      config: source === '' ? {} : { source },
      used_by: await users(caller),
      locations: ['none'],
    }
  }

  /** Of the file system under the engine's data. Zeros where that is on another machine or hidden from us. */
  async function resources(_caller: Caller, name: string): Promise<StoragePoolResources> {
    requirePool(name)
    const path = isLocal ? await rootDir() : ''
    const found = path === '' ? undefined : await statfs(path).catch(() => undefined)
    if (found === undefined) return { space: { used: 0, total: 0 }, inodes: { used: 0, total: 0 } }
    const { blocks, bfree, bsize, files, ffree } = found
    return {
      space: { used: (blocks - bfree) * bsize, total: blocks * bsize },
      inodes: { used: files - ffree, total: files },
    }
  }

  async function rootDir(): Promise<string> {
    const info = await engine.info(AbortSignal.timeout(PATIENCE)).catch(() => undefined)
    return info?.rootDir ?? ''
  }

  /** LXD's order: instances with their snapshots, profiles, volumes, images. */
  async function users(caller: Caller): Promise<string[]> {
    const [instances, snapshots, profiles, volumes, images] = await Promise.all([
      records.list('instance'),
      records.list('snapshot'),
      records.list('profile'),
      records.list('volume'),
      records.list('image'),
    ])
    const byInstance = Map.groupBy(snapshots, ({ instance }) => instance)
    const seen = <R extends { project: string }>(all: R[]) => all.filter(({ project }) => mayEnter(caller, project))
    return [
      ...seen(instances).flatMap((instance) => [
        instanceUrl(instance),
        ...(byInstance.get(instance.uuid) ?? []).map(({ name }) => snapshotUrl(instance, name)),
      ]),
      ...seen(profiles)
        .filter(({ devices }) => Object.values(devices).some((device) => device['pool'] === POOL))
        .map(profileUrl),
      ...seen(volumes).map(volumeUrl),
      ...seen(images).map(imageUrl),
    ]
  }

  return { list, get, create, update, remove, resources }
}

/** There is one pool, and the engine cannot have another. */
function create(caller: Caller, body: StoragePoolsPost): never {
  requireRole(caller, 'admin')
  if ((body.name ?? '') === '') throw badRequest('No name provided')
  if (body.name === POOL) throw conflict('The storage pool already exists')
  throw badRequest('Docker Engine has one storage, the pool "default"; another pool cannot be created')
}

function update(caller: Caller, name: string): never {
  requireRole(caller, 'admin')
  requirePool(name)
  throw badRequest('The pool "default" is Docker Engine\'s own; its settings are those of the engine')
}

function remove(caller: Caller, name: string): never {
  requireRole(caller, 'admin')
  requirePool(name)
  throw badRequest('The storage pool is currently in use')
}

export function requirePool(name: string): void {
  if (name !== POOL) throw notFound('Storage pool not found')
}
