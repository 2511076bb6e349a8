/** Containers: listed, made, read, deleted; what runs in them and what they have said. */
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { isFailure, unprocessable } from '../../core/failure.ts'
import { outputLog } from '../../core/kept-files.ts'
import { splitWords } from '../../core/words.ts'
import { byOperation, callerOf, settle, type DialectApp, type DialectKit } from '../dialect.ts'
import { beginClone, beginCreation, endCreation } from './creation.ts'
import { illegalState, NO_COMMAND, refusedAs } from './errors.ts'
import { addRoute, bodyAs, jsonText, noContent } from './paths.ts'
import { containerOf, NAME } from './references.ts'
import { toContainer } from './translate.ts'
import { Cloned, Container, Creation, Clone, Exec, UserCreation } from './wire.ts'

const Nothing = Type.Null({ description: 'Done.' })

export function containerRoutes(app: DialectApp, kit: DialectKit): void {
  readRoutes(app, kit)
  creationRoutes(app, kit)
  addRoute(app, {
    method: 'DELETE',
    path: '/containers/:ct',
    words: ['deleteContainer', 'Delete a container; named in base64, also a running one', 'containers'],
    answers: { 204: Nothing },
    ...byOperation(kit, (request) => beginDeletion(kit, request), noContent),
  })
  execRoutes(app, kit)
}

function readRoutes(app: DialectApp, kit: DialectKit): void {
  const { services, clock } = kit
  addRoute(app, {
    method: 'GET',
    path: '/containers',
    words: ['listContainers', 'All containers, running or not', 'containers'],
    answers: { 200: Type.Array(Container) },
    handler: async (request) => {
      const caller = callerOf(request)
      const [all, images] = await Promise.all([
        services.directory.list(caller, NAME),
        services.images.list(caller, 'default'),
      ])
      return all.map((one) => toContainer(one, images, clock.now()))
    },
  })
  addRoute(app, {
    method: 'GET',
    path: '/containers/:ct',
    words: ['getContainer', 'One container', 'containers'],
    answers: { 200: Container },
    handler: async (request) => {
      const [{ one }, images] = await Promise.all([
        containerOf(kit, request),
        services.images.list(callerOf(request), 'default'),
      ])
      return toContainer(one, images, clock.now())
    },
  })
  addRoute(app, {
    method: 'GET',
    path: '/containers/:ct/logs',
    words: ['getLogs', 'What the container has put out, the newest 10,000 lines', 'containers'],
    answers: { 200: Type.Array(Type.String()) },
    handler: async (request) => {
      const { one } = await containerOf(kit, request)
      const { content } = await services.logs.read(callerOf(request), one.where, 'console.log')
      return linesOf(content)
    },
  })
}

function creationRoutes(app: DialectApp, kit: DialectKit): void {
  const end = (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord) =>
    endCreation(kit, request, reply, operation)
  addRoute(app, {
    method: 'POST',
    path: '/containers',
    words: [
      'createContainer',
      'Make a container: by name, image and command, or for a user, known by `uid`',
      'containers',
    ],
    body: Type.Union([Creation, UserCreation]),
    answers: { 201: Type.Union([Container, Cloned]) },
    ...byOperation(kit, (request) => beginCreation(kit, request), end),
  })
  addRoute(app, {
    method: 'POST',
    path: '/containers/:ct/clone',
    words: ['cloneContainer', 'Make a copy of a container', 'containers'],
    body: Clone,
    answers: { 201: Container },
    ...byOperation(kit, (request) => beginClone(kit, request), end),
  })
}

/** One that runs is refused in the first generations, and killed in the last. */
async function beginDeletion(kit: DialectKit, request: FastifyRequest): Promise<OperationRecord> {
  const { one, isLater } = await containerOf(kit, request)
  const deletion = kit.services.instances.remove(callerOf(request), one.where, { force: isLater })
  return refusedAs(deletion, illegalState)
}

const PUBLIC_KEY = ['cat', '/etc/ssh/ssh_host_rsa_key.pub']

function execRoutes(app: DialectApp, kit: DialectKit): void {
  const end = (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord) =>
    endExec(kit, request, reply, operation)
  addRoute(app, {
    method: 'POST',
    path: '/containers/:ct/exec',
    words: ['execInContainer', 'Run a command and answer with what it has put out', 'containers'],
    body: Exec,
    answers: { 200: Type.String() },
    config: { repeated: end },
    handler: async (request, reply) => {
      const { command } = bodyAs(Exec, request, NO_COMMAND)
      const words = splitWords(command)
      if (words === undefined || words.length === 0) throw unprocessable(words ? NO_COMMAND : 'Unterminated quote')
      return run(kit, request, reply, words)
    },
  })
  addRoute(app, {
    method: 'GET',
    path: '/containers/:ct/public_key',
    words: ['getPublicKey', "The public RSA key of the container's SSH server", 'containers'],
    answers: { 200: Type.String() },
    handler: (request, reply) => run(kit, request, reply, PUBLIC_KEY),
  })
}

async function run(kit: DialectKit, request: FastifyRequest, reply: FastifyReply, command: string[]): Promise<unknown> {
  const { one } = await containerOf(kit, request)
  const submitted = kit.services.instances.exec(callerOf(request), one.where, { command, 'record-output': true })
  const operation = await refusedAs(submitted, illegalState)
  try {
    return await endExec(kit, request, reply, await settle(kit, operation))
  } catch (failure) {
    if (!isFailure(failure, 'bad-request')) throw failure
    // The original's engine said this on the command's own output.
    if (failure.message.startsWith('Command not ')) return jsonText(reply, `${failure.message}\n`)
    throw illegalState(failure)
  }
}

/** Both outputs, one after the other. They are not kept, unless a repeat may ask for them. */
async function endExec(
  { services }: DialectKit,
  request: FastifyRequest,
  reply: FastifyReply,
  { id, entity, project }: OperationRecord,
): Promise<string> {
  const caller = callerOf(request)
  const where = { project, name: entity.name }
  const logs = [outputLog(id, 'stdout'), outputLog(id, 'stderr')]
  const parts = await Promise.all(logs.map(async (log) => text((await services.logs.read(caller, where, log)).content)))
  if (request.headers['idempotency-key'] === undefined)
    // What stays is deleted with the instance.
    await Promise.allSettled(logs.map((log) => services.logs.remove(caller, where, log)))
  return jsonText(reply, parts.join(''))
}

/** Characters of a log that are sent at most; what is older is left out. */
const LOG_BOUND = 8 * 1024 * 1024

async function linesOf(content: Readable): Promise<string[]> {
  let kept = ''
  for await (const chunk of content.setEncoding('utf8')) kept = (kept + String(chunk)).slice(-LOG_BOUND)
  return kept.split(/\r?\n/).filter((line) => line !== '')
}
