/** Storage pools: the engine has one, `default`. Its volumes are in volumes.ts. */
import { Type } from 'typebox'
import { ref } from '../../contract/named.ts'
import { ListQuery } from '../../contract/query.ts'
import { StoragePool, StoragePoolResources, StoragePoolsPost } from '../../contract/storage.ts'
import type { Storage } from '../../services/storage.ts'
import { CHANGED, CREATED, listOf, oneOf } from '../accepting.ts'
import { sync } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'

const tags = ['storage']
const One = { params: Type.Object({ pool: Type.String({ examples: ['default'] }) }) }
const urlOf = (name: string) => `/1.0/storage-pools/${encodeURIComponent(name)}`

export function storageRoutes(app: App, { storage }: { storage: Storage }): void {
  const listed = {
    operationId: 'listStoragePools',
    summary: 'List storage pools',
    tags,
    querystring: ListQuery({}),
    response: listOf(ref(StoragePool)),
  }
  app.get('/1.0/storage-pools', { schema: listed }, async (request) => {
    const pools = await storage.list(callerOf(request))
    return recursionOf(request.query) > 0 ? sync(pools) : sync(pools.map(({ name }) => urlOf(name)))
  })

  const got = {
    operationId: 'getStoragePool',
    summary: 'Read a storage pool',
    tags,
    ...One,
    response: oneOf(ref(StoragePool)),
  }
  app.get('/1.0/storage-pools/:pool', { schema: got }, async (request) =>
    sync(await storage.get(callerOf(request), request.params.pool)),
  )

  const resources = {
    operationId: 'getStoragePoolResources',
    summary: 'Read how much of a storage pool is used',
    tags,
    ...One,
    response: oneOf(ref(StoragePoolResources)),
  }
  app.get('/1.0/storage-pools/:pool/resources', { schema: resources }, async (request) =>
    sync(await storage.resources(callerOf(request), request.params.pool)),
  )
  refusedRoutes(app, storage)
}

/** There is one pool, and it stays as it is: the service says so in words. */
function refusedRoutes(app: App, storage: Storage): void {
  const body = ref(StoragePoolsPost)
  const made = { operationId: 'createStoragePool', summary: 'Create a storage pool: not possible', tags, body }
  app.post('/1.0/storage-pools', { schema: { ...made, response: CREATED } }, async (request) =>
    storage.create(callerOf(request), request.body),
  )
  const put = { operationId: 'putStoragePool', summary: 'Change a storage pool: not possible', tags, ...One, body }
  app.put('/1.0/storage-pools/:pool', { schema: { ...put, response: CHANGED } }, async (request) =>
    storage.update(callerOf(request), request.params.pool),
  )
  const patch = { operationId: 'patchStoragePool', summary: 'Change a storage pool: not possible', tags, ...One, body }
  app.patch('/1.0/storage-pools/:pool', { schema: { ...patch, response: CHANGED } }, async (request) =>
    storage.update(callerOf(request), request.params.pool),
  )
  const removed = { operationId: 'deleteStoragePool', summary: 'Delete a storage pool: not possible', tags, ...One }
  app.delete('/1.0/storage-pools/:pool', { schema: { ...removed, response: CHANGED } }, async (request) =>
    storage.remove(callerOf(request), request.params.pool),
  )
}
