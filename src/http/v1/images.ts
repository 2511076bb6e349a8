/** Images: uploaded, pulled or published; their aliases are in aliases.ts. */
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { Image, ImageExportPost, ImagePatch, ImagePut, ImagesPost } from '../../contract/image.ts'
import { ref } from '../../contract/named.ts'
import type { ImageOrigin } from '../../contract/records.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import { imageEtag } from '../../core/etag.ts'
import { parseFilter } from '../../core/filter.ts'
import { imagePartsOf } from '../../core/image-parts.ts'
import { sinceEpoch } from '../../core/times.ts'
import type { ImageView } from '../../services/image-lookup.ts'
import type { Images } from '../../services/images.ts'
import { imageUrl } from '../../services/noun-urls.ts'
import type { Operations } from '../../services/operations.ts'
import { ACCEPTED, CHANGED, listOf, taggedOne } from '../accepting.ts'
import { accepted, acceptedSoon, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { acceptStreams } from '../bodies.ts'
import { asListed, callerOf, listedProject, projectOf, visitedProject } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { recursionOf } from '../recursion.ts'
import { PARTS, sendParts, sendStream } from '../streams.ts'
import { toUploadInfo } from '../upload-headers.ts'

export interface ImageRoutesDeps {
  images: Images
  operations: Operations
}

const tags = ['images']
const One = {
  params: Type.Object({ fingerprint: Type.String({ examples: ['5a0da7d41a5c'] }) }),
  querystring: InProject({}),
}
/** Strangers show the secret of an image that is not public. */
const Shown = { ...One, querystring: InProject({ secret: Type.Optional(Type.String()) }) }

export function imageRoutes(app: App, deps: ImageRoutesDeps): void {
  listRoute(app, deps)
  app.register(async (uploads: App) => createRoute(uploads, deps))
  oneRoutes(app, deps)
  actionRoutes(app, deps)
}

function listRoute(app: App, { images }: ImageRoutesDeps): void {
  const schema = {
    operationId: 'listImages',
    summary: 'List images; for strangers those that are public',
    tags,
    querystring: ListQuery({}),
    response: listOf(ref(Image)),
  }
  app.get('/1.0/images', { schema, config: { open: 'records' } }, async (request) => {
    const matches = parseFilter(request.query.filter ?? '')
    const views = await images.list(request.visitor, listedProject(request))
    const chosen = views.filter((view) => matches(toImage(view)))
    if (recursionOf(request.query) > 0) return sync(chosen.map(toImage))
    const project = listedProject(request)
    return sync(chosen.map(({ record }) => imageUrl(asListed(record, project))))
  })
}

function createRoute(app: App, { images, operations }: ImageRoutesDeps): void {
  acceptStreams(app)
  const schema = {
    operationId: 'createImage',
    summary: 'Upload a tarball (as octet-stream), publish an instance or a snapshot, or pull from a registry',
    description:
      'An upload is an LXD unified tarball, what `docker save` wrote, or a root file system; gzip, xz, zstd, bzip2, ' +
      'lzma or plain. As `multipart/form-data` it is an LXD image in two files, `metadata` and then `rootfs`. ' +
      'Headers `X-LXD-filename`, `X-LXD-public`, `X-LXD-properties` (`key=value&…`) and `X-LXD-fingerprint` describe it. ' +
      'With `source.mode` `push` it answers a token; whoever shows its secret as `X-LXD-secret` may upload the image.',
    tags,
    consumes: ['application/json', 'application/octet-stream', 'multipart/form-data'],
    querystring: InProject({}),
    body: ref(ImagesPost),
    response: ACCEPTED,
  }
  const config = { streamed: true, open: 'records' } as const
  // A server that nobody trusts may send an image that is expected, for whoever has asked for it.
  const onRequest = async (request: FastifyRequest): Promise<void> => {
    const info = toUploadInfo(request.headers)
    const expected = info.secret === undefined ? undefined : await images.expectedBy(info)
    if (expected !== undefined) request.visitor = expected.caller
    callerOf(request)
  }
  app.post('/1.0/images', { schema, config, onRequest }, async (request, reply) => {
    const caller = callerOf(request)
    const project = projectOf(request)
    // By content type it is what the parsers of this scope have made of it.
    const body: unknown = request.body
    if (!(body instanceof Readable))
      return accepted(request, reply, operations, await images.create(caller, project, request.body))
    const info = toUploadInfo(request.headers)
    const parts = imagePartsOf(body, request.headers['content-type'])
    const operation = await images.upload(caller, project, parts, { ...info, signal: clientGone(reply) })
    return accepted(request, reply, operations, operation)
  })
}

function oneRoutes(app: App, { images, operations }: ImageRoutesDeps): void {
  const got = { operationId: 'getImage', summary: 'Read an image', tags, ...Shown, response: taggedOne(ref(Image)) }
  app.get('/1.0/images/:fingerprint', { schema: got, config: { open: 'records' } }, async (request, reply) => {
    const { visitor, params, query } = request
    const view = await images.get(visitor, visitedProject(request), params.fingerprint, query.secret)
    return tagged(reply, imageEtag(view.record), toImage(view))
  })

  const put = { operationId: 'putImage', summary: 'Change an image as a whole', tags, ...One, body: ref(ImagePut) }
  app.put('/1.0/images/:fingerprint', { schema: { ...put, response: CHANGED } }, async (request, reply) => {
    const { params, body, headers } = request
    const where = { project: projectOf(request), name: params.fingerprint }
    await images.update(keeping(request, DONE), where, body, headers['if-match'])
    return give(reply, DONE)
  })

  const patch = { operationId: 'patchImage', summary: 'Change some of an image', tags, ...One, body: ref(ImagePatch) }
  app.patch('/1.0/images/:fingerprint', { schema: { ...patch, response: CHANGED } }, async (request, reply) => {
    const { params, body, headers } = request
    const where = { project: projectOf(request), name: params.fingerprint }
    await images.patch(keeping(request, DONE), where, body, headers['if-match'])
    return give(reply, DONE)
  })

  const removed = { operationId: 'deleteImage', summary: 'Delete an image', tags, ...One, response: ACCEPTED }
  app.delete('/1.0/images/:fingerprint', { schema: removed }, async (request, reply) => {
    const operation = await images.remove(callerOf(request), projectOf(request), request.params.fingerprint)
    return acceptedSoon(request, reply, operations, operation)
  })

  const exported = {
    operationId: 'exportImage',
    summary: "Download an image's tarball",
    tags,
    ...Shown,
    response: PARTS,
  }
  app.get(
    '/1.0/images/:fingerprint/export',
    { schema: exported, config: { open: 'records' } },
    async (request, reply) => {
      const { visitor, params, query } = request
      const options = { secret: query.secret, signal: clientGone(reply) }
      const { rootfs, ...file } = await images.export(visitor, visitedProject(request), params.fingerprint, options)
      if (rootfs === undefined) return sendStream(reply, file)
      const first = { name: 'metadata', open: () => Promise.resolve(file) }
      return sendParts(reply, [first, { name: 'rootfs', open: rootfs }])
    },
  )
}

function actionRoutes(app: App, { images, operations }: ImageRoutesDeps): void {
  const summary = 'Make a secret with which another server may read an image'
  const shared = { operationId: 'createImageSecret', summary, tags, ...One, response: ACCEPTED }
  app.post('/1.0/images/:fingerprint/secret', { schema: shared }, async (request, reply) => {
    const operation = await images.share(callerOf(request), projectOf(request), request.params.fingerprint)
    return accepted(request, reply, operations, operation)
  })

  const pushed = {
    operationId: 'pushImage',
    summary: 'Send an image to another server',
    tags,
    ...One,
    body: ref(ImageExportPost),
    response: ACCEPTED,
  }
  app.post('/1.0/images/:fingerprint/export', { schema: pushed }, async (request, reply) => {
    const { params, body } = request
    const operation = await images.push(callerOf(request), projectOf(request), params.fingerprint, body)
    return accepted(request, reply, operations, operation)
  })

  const refreshed = { operationId: 'refreshImage', summary: 'Pull an image again', tags, ...One, response: ACCEPTED }
  app.post('/1.0/images/:fingerprint/refresh', { schema: refreshed }, async (request, reply) => {
    const operation = await images.refresh(callerOf(request), projectOf(request), request.params.fingerprint)
    return accepted(request, reply, operations, operation)
  })
}

function toImage({ record, aliases }: ImageView): Image {
  return {
    fingerprint: record.name,
    aliases: aliases.map(({ name, description }) => ({ name, description })),
    architecture: record.architecture,
    auto_update: record.auto_update,
    cached: record.cached,
    filename: record.filename,
    properties: record.properties,
    profiles: record.profiles,
    public: record.public,
    size: record.size,
    type: 'container',
    project: record.project,
    created_at: record.created_at,
    uploaded_at: record.uploaded_at,
    expires_at: sinceEpoch(record.expires_at),
    last_used_at: sinceEpoch(record.last_used_at),
    ...(record.origin !== undefined && { update_source: toSource(record.origin) }),
  }
}

function toSource({ url, certificate, image }: ImageOrigin): NonNullable<Image['update_source']> {
  return { server: url, protocol: 'lxd', certificate, alias: image, image_type: 'container' }
}
