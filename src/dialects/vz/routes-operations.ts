/** Operations below `/1.0/vz`, where the manual's answers say they are. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { OperationRecord } from '../../contract/operation-record.ts'
import type { Caller } from '../../services/caller.ts'
import { bothSlashes, callerOf, type DialectApp, type DialectKit } from '../dialect.ts'
import { missing, unlessMissing } from './errors.ts'
import { findNumbered, NUMBERS } from './numbers.ts'
import { metadataOf, toOperation } from './translate.ts'
import * as wire from './wire.ts'

const ROOT = '/1.0/vz'

export function operationRoutes(app: DialectApp, kit: DialectKit): void {
  for (const [at, url] of bothSlashes(`${ROOT}/:id/wait`).entries())
    app.get(
      url,
      {
        schema: {
          summary: 'Wait for an operation; after the timeout it is answered as it then is',
          operationId: 'waitForOperation',
          tags: ['operations'],
          params: wire.ById,
          querystring: Type.Object({ timeout: Type.Optional(Type.String({ description: 'Seconds; -1: no bound.' })) }),
          response: wire.answers(wire.OneOperation),
          hide: at === 1,
        },
      },
      async (request, reply) => {
        const { id } = request.params
        const seconds = Number.parseInt(request.query.timeout ?? '-1', 10)
        const bound = Number.isNaN(seconds) ? -1 : seconds
        const { operations } = kit.services
        const caller = callerOf(request)
        const gone = new AbortController()
        reply.raw.once('close', () => gone.abort())
        const found = isUuid(id) && (await unlessMissing(operations.wait(caller, id, bound, gone.signal)))
        if (!found) throw missing()
        return wire.sync(await show(kit, caller, found))
      },
    )
}

/** The operation of this id, undefined where there is none. */
export async function findOperation(
  { services }: DialectKit,
  request: FastifyRequest,
  id: string,
): Promise<OperationRecord | undefined> {
  if (!isUuid(id)) return undefined
  return unlessMissing(services.operations.get(callerOf(request), id))
}

export async function show(kit: DialectKit, caller: Caller, operation: OperationRecord): Promise<wire.Operation> {
  return toOperation(operation, await containersOf(kit, caller, operation))
}

/** 202 with where the operation is. */
export function acceptance(kit: DialectKit) {
  return async (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord): Promise<wire.Accepted> => {
    const url = `${kit.prefix}${ROOT}/${operation.id}`
    reply.code(202).header('location', url)
    const resources = { containers: await containersOf(kit, callerOf(request), operation) }
    return {
      type: 'async',
      status: 'ok',
      status_code: 100,
      operation: url,
      resources,
      metadata: metadataOf(operation),
    }
  }
}

/** By its number; one that is gone has none any more. A restore is about a snapshot, under the id of its container. */
async function containersOf(
  { services, prefix }: DialectKit,
  caller: Caller,
  { entity }: OperationRecord,
): Promise<string[]> {
  const known = await services.nicknames.of(NUMBERS, entity.id)
  // Of one that was made elsewhere nobody may have asked yet.
  const number = known ?? (await unlessMissing(findNumbered(services, caller, entity.id)))?.ctid
  return number === undefined ? [] : [`${prefix}${ROOT}/${number}`]
}

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}
