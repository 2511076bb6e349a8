/** An instance's metadata and templates. */
import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { InstanceMetadata, InstanceMetadataPut } from '../../contract/image-metadata.ts'
import { ref } from '../../contract/named.ts'
import { InProject } from '../../contract/query.ts'
import { badRequest } from '../../core/failure.ts'
import type { InstanceMetadatas } from '../../services/instance-metadata.ts'
import { CHANGED, oneOf, taggedOne } from '../accepting.ts'
import { DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { acceptBytes, readBody } from '../bodies.ts'
import { callerOf } from '../caller.ts'
import { sendStream } from '../streams.ts'
import { InstanceParams, whereOf, wordsFor, type InstanceRoot } from './instance-paths.ts'

interface MetadataRoutesDeps {
  metadata: InstanceMetadatas
}

const one = { params: InstanceParams, querystring: InProject({}) }
const named = { params: InstanceParams, querystring: InProject({ path: Type.Optional(Type.String()) }) }

export function metadataRoutes(app: App, deps: MetadataRoutesDeps, root: InstanceRoot): void {
  wholeRoutes(app, deps, root)
  readTemplates(app, deps, root)
  app.register(async (bytes: App) => writeTemplates(bytes, deps, root))
}

function wholeRoutes(app: App, { metadata }: MetadataRoutesDeps, root: InstanceRoot): void {
  const path = `/1.0/${root}/:name/metadata`
  const got = {
    ...wordsFor(root, 'getInstanceMetadata', "Read what the image's metadata.yaml says of an instance"),
    ...one,
  }
  app.get(path, { schema: { ...got, response: taggedOne(ref(InstanceMetadata)) } }, async (request, reply) => {
    const found = await metadata.get(callerOf(request), whereOf(request))
    return tagged(reply, found.etag, found.metadata)
  })

  const body = ref(InstanceMetadataPut)
  const put = { ...wordsFor(root, 'putInstanceMetadata', "Replace an instance's metadata"), ...one, body }
  app.put(path, { schema: { ...put, response: CHANGED } }, async (request, reply) => {
    await metadata.put(keeping(request, DONE), whereOf(request), request.body, request.headers['if-match'])
    return give(reply, DONE)
  })

  const patch = { ...wordsFor(root, 'patchInstanceMetadata', "Change some of an instance's metadata"), ...one, body }
  app.patch(path, { schema: { ...patch, response: CHANGED } }, async (request, reply) => {
    await metadata.patch(keeping(request, DONE), whereOf(request), request.body, request.headers['if-match'])
    return give(reply, DONE)
  })
}

function readTemplates(app: App, { metadata }: MetadataRoutesDeps, root: InstanceRoot): void {
  const path = `/1.0/${root}/:name/metadata/templates`
  const response = oneOf(Type.Array(Type.String()))
  const got = {
    ...wordsFor(root, 'getInstanceTemplates', 'List templates, or read the one at `path`'),
    ...named,
    response,
  }
  app.get(path, { schema: got }, async (request, reply) => {
    const name = request.query.path
    if (!name) return sync(await metadata.templates(callerOf(request), whereOf(request)))
    const bytes = Buffer.from(await metadata.template(callerOf(request), whereOf(request), name))
    return sendStream(reply, {
      filename: name,
      size: bytes.length,
      content: Readable.from([bytes], { objectMode: false }),
    })
  })

  const removed = { ...wordsFor(root, 'deleteInstanceTemplate', 'Delete a template'), ...named, response: CHANGED }
  app.delete(path, { schema: removed }, async (request, reply) => {
    await metadata.deleteTemplate(keeping(request, DONE), whereOf(request), nameOf(request.query.path))
    return give(reply, DONE)
  })
}

function writeTemplates(app: App, { metadata }: MetadataRoutesDeps, root: InstanceRoot): void {
  acceptBytes(app)
  const written = {
    ...wordsFor(root, 'putInstanceTemplate', 'Make or replace a template; its text is the body'),
    ...named,
    consumes: ['application/octet-stream'],
    response: CHANGED,
  }
  app.post(
    `/1.0/${root}/:name/metadata/templates`,
    { schema: written, config: { streamed: true } },
    async (request, reply) => {
      // What is not said to be there is not read into a stream.
      const body: unknown = request.body
      const text = body instanceof Readable ? (await readBody(request.raw)).toString() : ''
      await metadata.putTemplate(keeping(request, DONE), whereOf(request), nameOf(request.query.path), text)
      return give(reply, DONE)
    },
  )
}

function nameOf(path: string | undefined): string {
  if (!path) throw badRequest('missing path argument')
  return path
}
