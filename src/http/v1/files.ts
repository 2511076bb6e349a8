import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { Sync } from '../../contract/envelope.ts'
import { InProject } from '../../contract/query.ts'
import type { InstanceFiles } from '../../services/instance-files.ts'
import { CHANGED } from '../accepting.ts'
import { DONE, give, keeping, sync } from '../answers.ts'
import type { App } from '../app-types.ts'
import { acceptBytes } from '../bodies.ts'
import { callerOf } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { fileHeaders, toFilePush } from '../file-headers.ts'
import { BYTES, sendStream } from '../streams.ts'
import { InstanceParams, whereOf, wordsFor, type InstanceRoot } from './instance-paths.ts'

const TOLD = 'The headers `X-LXD-type`, `-mode`, `-uid`, `-gid` and `-modified` tell what it is.'
const ASKED =
  'The headers `X-LXD-type` (`file`, `directory`, `symlink`), `X-LXD-mode` (octal), `X-LXD-uid`, `X-LXD-gid` and ' +
  '`X-LXD-write` (`overwrite`, `append`) say what it is to be. An existing file keeps its mode, owner and group, but for ' +
  'those that `X-LXD-modify-perm` names (`mode,uid,gid`).'

const told = (description: string) => ({ type: 'string', description })
const FILE = {
  200: {
    description: 'The bytes, or the names.',
    headers: {
      'X-LXD-type': told('`file`, `directory` or `symlink`.'),
      'X-LXD-mode': told('Octal: `0644`.'),
      'X-LXD-uid': told('Its owner.'),
      'X-LXD-gid': told('Its group.'),
      'X-LXD-modified': told('When it was changed.'),
    },
    content: {
      'application/json': { schema: Sync(Type.Array(Type.String())), example: sync(['hostname', 'hosts']) },
      ...BYTES[200].content,
    },
  },
}

const path = Type.Optional(Type.String({ description: 'Inside the instance.', examples: ['/etc/hostname'] }))
const About = { params: InstanceParams, querystring: InProject({ path }) }

export function fileRoutes(app: App, { files }: { files: InstanceFiles }, root: InstanceRoot): void {
  const url = `/1.0/${root}/:name/files`

  const got = {
    ...wordsFor(root, 'getInstanceFile', 'Read a file, the names in a directory, or the target of a symlink'),
    description: `${TOLD} A directory is answered with its names as JSON, a symlink with its target as an absolute path.`,
    ...About,
    response: FILE,
  }
  app.get(url, { schema: got }, async (request, reply) => {
    const where = { ...whereOf(request), path: request.query.path }
    const pulled = await files.pull(callerOf(request), where, clientGone(reply))
    reply.headers(fileHeaders(pulled.entry))
    if ('names' in pulled) return sync(pulled.names)
    const filename = posix.basename(where.path ?? '')
    if ('content' in pulled) return sendStream(reply, { filename, size: pulled.entry.size, content: pulled.content })
    const target = Buffer.from(pulled.target)
    return sendStream(reply, { filename, size: target.length, content: Readable.from([target], { objectMode: false }) })
  })

  const headed = {
    ...wordsFor(root, 'headInstanceFile', 'See what is at a path'),
    description: TOLD,
    ...About,
    response: { 200: { description: 'Headers only.', type: 'null' } },
  }
  app.head(url, { schema: headed }, async (request, reply) => {
    const where = { ...whereOf(request), path: request.query.path }
    const entry = await files.look(callerOf(request), where, clientGone(reply))
    return reply.headers(fileHeaders(entry)).send()
  })

  const removed = {
    ...wordsFor(root, 'deleteInstanceFile', 'Delete a file, a symlink or an empty directory'),
    ...About,
    response: CHANGED,
  }
  app.delete(url, { schema: removed }, async (request, reply) => {
    const where = { ...whereOf(request), path: request.query.path }
    await files.remove(keeping(request, DONE), where)
    return give(reply, DONE)
  })

  app.register(async (uploads: App) => pushRoute(uploads, { files }, { root, url }))
}

function pushRoute(
  app: App,
  { files }: { files: InstanceFiles },
  { root, url }: { root: InstanceRoot; url: string },
): void {
  acceptBytes(app)
  const pushed = {
    ...wordsFor(root, 'postInstanceFile', 'Write a file, or make a directory or a symlink'),
    description: `The body is the file's bytes or the symlink's target. ${ASKED}`,
    consumes: ['application/octet-stream'],
    ...About,
    response: CHANGED,
  }
  app.post(url, { schema: pushed, config: { streamed: true } }, async (request, reply) => {
    // By content type it is what the parser of this scope has made of it.
    const body: unknown = request.body
    const content = body instanceof Readable ? body : Readable.from([], { objectMode: false })
    const where = { ...whereOf(request), path: request.query.path }
    const push = { ...toFilePush(request.headers), content }
    await files.push(keeping(request, DONE), where, push, clientGone(reply))
    return give(reply, DONE)
  })
}
