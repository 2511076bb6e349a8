/** Images that containers are made from. */
import { Type } from 'typebox'
import { notFound, unprocessable } from '../../core/failure.ts'
import { requireOwn } from '../../services/instance-operations.ts'
import { byOperation, callerOf, type DialectApp, type DialectKit } from '../dialect.ts'
import { BAD_IMAGE, NO_IMAGE, refusedAs } from './errors.ts'
import { addRoute, bodyAs, noContent } from './paths.ts'
import { findContainer, findImage, imageOf } from './references.ts'
import { toImage } from './translate.ts'
import { Image, ImageCreation } from './wire.ts'

export function imageRoutes(app: DialectApp, kit: DialectKit): void {
  const { images } = kit.services
  addRoute(app, {
    method: 'GET',
    path: '/containers/images',
    words: ['listImages', 'All images', 'images'],
    answers: { 200: Type.Array(Image) },
    handler: async (request) => (await images.list(callerOf(request), 'default')).map(toImage),
  })
  creationRoute(app, kit)
  addRoute(app, {
    method: 'GET',
    path: '/containers/images/:img',
    words: ['getImage', 'One image', 'images'],
    answers: { 200: Image },
    handler: async (request) => toImage(await imageOf(kit, request)),
  })
  addRoute(app, {
    method: 'DELETE',
    path: '/containers/images/:img',
    words: ['deleteImage', 'Delete an image; what was made from it stays', 'images'],
    answers: { 204: Type.Null({ description: 'Done.' }) },
    ...byOperation(
      kit,
      async (request) => {
        const { record } = await imageOf(kit, request)
        return images.remove(callerOf(request), 'default', record.name)
      },
      noContent,
    ),
  })
}

function creationRoute(app: DialectApp, kit: DialectKit): void {
  addRoute(app, {
    method: 'POST',
    path: '/containers/images',
    words: ['createImage', 'Make an image of a container', 'images'],
    body: ImageCreation,
    answers: { 201: Image },
    ...byOperation(
      kit,
      async (request) => {
        const caller = callerOf(request)
        const { container, name } = bodyAs(ImageCreation, request, BAD_IMAGE)
        const { one } = await findContainer(kit, caller, container)
        requireOwn(one.view)
        const submitted = kit.services.images.create(caller, 'default', {
          source: { type: 'instance', name: one.where.name, project: one.where.project },
          properties: { description: name },
          aliases: [{ name }],
        })
        return refusedAs(submitted, (why) => unprocessable(BAD_IMAGE, { cause: why }))
      },
      async (request, reply, { metadata }) => {
        const made = await findImage(kit, callerOf(request), String(metadata?.['fingerprint']))
        if (made === undefined) throw notFound(NO_IMAGE)
        reply.code(201).header('location', `${kit.prefix}/containers/images/${made.record.name}`)
        return toImage(made)
      },
    ),
  })
}
