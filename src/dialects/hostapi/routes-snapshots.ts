/** Snapshots: nested below their container, and (the last generation) all of them in one list. */
import { Type } from 'typebox'
import { notFound, unprocessable } from '../../core/failure.ts'
import { byOperation, callerOf, type DialectApp, type DialectKit } from '../dialect.ts'
import { BAD_SNAPSHOT, NO_SNAPSHOT, refusedAs } from './errors.ts'
import { addRoute, bodyAs, noContent } from './paths.ts'
import { containerOf, findContainer, NAME, snapshotOf } from './references.ts'
import { toSnapshot } from './translate.ts'
import { Image, SnapshotCreation } from './wire.ts'

export function snapshotRoutes(app: DialectApp, kit: DialectKit): void {
  listRoutes(app, kit)
  creationRoute(app, kit)
  for (const [path, suffix] of [
    ['/containers/:ct/snapshots/:sh', ''],
    ['/containers/snapshots/:sh', 'ByItself'],
  ] as const)
    itemRoutes(app, kit, { path, suffix })
  addRoute(app, {
    method: 'POST',
    path: '/containers/:ct/snapshots/:sh/restore',
    words: ['restoreSnapshot', 'Put a container back to a snapshot', 'snapshots'],
    answers: { 200: Image },
    ...byOperation(
      kit,
      async (request) => {
        const { of, snapshot } = await snapshotOf(kit, request)
        return kit.services.snapshots.restore(callerOf(request), of.where, snapshot.name)
      },
      async (request) => {
        const { of, snapshot } = await snapshotOf(kit, request)
        return toSnapshot(of, snapshot)
      },
    ),
  })
}

function listRoutes(app: DialectApp, kit: DialectKit): void {
  addRoute(app, {
    method: 'GET',
    path: '/containers/:ct/snapshots',
    words: ['listSnapshots', 'All snapshots of a container', 'snapshots'],
    answers: { 200: Type.Array(Image) },
    handler: async (request) => {
      const { one } = await containerOf(kit, request)
      return one.view.snapshots.map((snapshot) => toSnapshot(one, snapshot))
    },
  })
  addRoute(app, {
    method: 'GET',
    path: '/containers/snapshots',
    words: ['listAllSnapshots', 'All snapshots of all containers', 'snapshots'],
    answers: { 200: Type.Array(Image) },
    handler: async (request) => {
      const all = await kit.services.directory.list(callerOf(request), NAME)
      return all.flatMap((one) => one.view.snapshots.map((snapshot) => toSnapshot(one, snapshot)))
    },
  })
}

function creationRoute(app: DialectApp, kit: DialectKit): void {
  addRoute(app, {
    method: 'POST',
    path: '/containers/:ct/snapshots',
    words: ['createSnapshot', 'Make a snapshot of a container', 'snapshots'],
    body: SnapshotCreation,
    answers: { 201: Image },
    ...byOperation(
      kit,
      async (request) => {
        const { one } = await containerOf(kit, request)
        const { name } = bodyAs(SnapshotCreation, request, BAD_SNAPSHOT)
        const submitted = kit.services.snapshots.create(callerOf(request), one.where, { name })
        return refusedAs(submitted, (why) => unprocessable(BAD_SNAPSHOT, { cause: why }))
      },
      async (request, reply, { entity }) => {
        const { one } = await findContainer(kit, callerOf(request), entity.name.split('/')[0] ?? '')
        const snapshot = one.view.snapshots.find(({ uuid }) => uuid === entity.id)
        if (snapshot === undefined) throw notFound(NO_SNAPSHOT)
        const body = toSnapshot(one, snapshot)
        reply.code(201).header('location', `${kit.prefix}/containers/${one.hex}/snapshots/${body.pk}`)
        return body
      },
    ),
  })
}

function itemRoutes(app: DialectApp, kit: DialectKit, { path, suffix }: { path: string; suffix: string }): void {
  addRoute(app, {
    method: 'GET',
    path,
    words: [`getSnapshot${suffix}`, 'One snapshot', 'snapshots'],
    answers: { 200: Image },
    handler: async (request) => {
      const { of, snapshot } = await snapshotOf(kit, request)
      return toSnapshot(of, snapshot)
    },
  })
  addRoute(app, {
    method: 'DELETE',
    path,
    words: [`deleteSnapshot${suffix}`, 'Delete a snapshot; what was made from it stays', 'snapshots'],
    answers: { 204: Type.Null({ description: 'Done.' }) },
    ...byOperation(
      kit,
      async (request) => {
        const { of, snapshot } = await snapshotOf(kit, request)
        return kit.services.snapshots.remove(callerOf(request), of.where, snapshot.name)
      },
      noContent,
    ),
  })
}
