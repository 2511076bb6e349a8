/** Operations: LXD's list and verbs, and a history that LXD has not. */
import { Type, type Static } from 'typebox'
import { Nothing, Sync } from '../../contract/envelope.ts'
import { JobAnswer, Operation, OperationHistory, OperationsByStatus, OperationUrls } from '../../contract/operation.ts'
import { ref } from '../../contract/named.ts'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { ListQuery } from '../../contract/query.ts'
import { isFinal, operationStatus } from '../../core/operation-states.ts'
import { toJob, toOperation } from '../../operations/render.ts'
import type { Operations } from '../../services/operations.ts'
import { DONE, give, keeping, operationUrl, sync } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf, listedProject } from '../caller.ts'
import { clientGone } from '../client-gone.ts'
import { parseHistory } from '../history-query.ts'
import { preferredWait } from '../prefer.ts'
import { recursionOf } from '../recursion.ts'

const One = Type.Object({ id: Type.String({ examples: ['019a7b5c-1f00-7000-8000-000000000001'] }) })
const tags = ['operations']
const text = (description: string, example: string) => Type.Optional(Type.String({ description, examples: [example] }))

const OperationsQuery = ListQuery({
  history: text('`true`: finished ones too, newest first, as a page.', 'true'),
  status: text('With `history`: one or more of LXD’s words, separated by commas.', 'Failure'),
  kind: text('With `history`: one or more kinds.', 'instance.create'),
  instance: text('With `history`: name of an instance.', 'c1'),
  since: text('With `history`: created at or after; RFC 3339.', '2026-11-21T00:00:00Z'),
  until: text('With `history`: created before; RFC 3339.', '2026-11-22T00:00:00Z'),
  limit: text('With `history`: at most 1000; 100 when missing.', '100'),
  cursor: text('With `history`: from the page before.', ''),
})
export type OperationsQuery = Static<typeof OperationsQuery>

export function operationRoutes(app: App, { operations }: { operations: Operations }): void {
  const list = Type.Union([OperationUrls, OperationsByStatus, ref(OperationHistory)])
  const listed = {
    schema: {
      operationId: 'listOperations',
      summary: 'List operations: unfinished and just ended ones by status, or the history',
      tags,
      querystring: OperationsQuery,
      response: { 200: Sync(list) },
    },
  }
  app.get('/1.0/operations', listed, async (request) => {
    const caller = callerOf(request)
    const project = listedProject(request)
    const { query } = request
    if (query.history === 'true') {
      const page = await operations.history(caller, parseHistory(query, project))
      const shown = page.operations.map((operation) => toOperation(operation, caller.requestor))
      return sync({ operations: shown, cursor: page.cursor ?? null })
    }
    const byStatus = groupByStatus(await operations.list(caller, project))
    if (recursionOf(query) === 0) return sync(mapValues(byStatus, ({ id }) => operationUrl(id)))
    return sync(mapValues(byStatus, (operation) => toOperation(operation, caller.requestor)))
  })

  oneRoutes(app, operations)
  jobRoutes(app, operations)
}

function oneRoutes(app: App, operations: Operations): void {
  const response = { 200: Sync(ref(Operation)) }
  const got = {
    config: { password: true },
    schema: { operationId: 'getOperation', summary: 'Read an operation', tags, params: One, response },
  }
  app.get('/1.0/operations/:id', got, async (request, reply) => {
    const caller = callerOf(request)
    const operation = await operations.wait(caller, request.params.id, preferredWait(request) ?? 0, clientGone(reply))
    if (!isFinal(operation.state)) reply.header('retry-after', '1')
    return sync(toOperation(operation, caller.requestor))
  })

  const timeout = text('Seconds; -1 or missing: as long as the server allows. 0: no wait.', '30')
  const waited = {
    config: { password: true, open: 'records' } as const,
    schema: {
      operationId: 'waitForOperation',
      summary: 'Wait for an operation; after the timeout it is answered as it then is',
      tags,
      params: One,
      querystring: Type.Object({ timeout, secret: Type.Optional(Type.String()) }),
      response,
    },
  }
  app.get('/1.0/operations/:id/wait', waited, async (request, reply) => {
    const { visitor, params, query } = request
    // LXD waits for ever where it cannot read the number.
    const seconds = Number.parseInt(query.timeout ?? '-1', 10)
    const bound = Number.isNaN(seconds) ? -1 : seconds
    const gone = clientGone(reply)
    if (visitor === undefined)
      return sync(toOperation(await operations.waitBySecret(query.secret, params.id, bound, gone)))
    return sync(toOperation(await operations.wait(visitor, params.id, bound, gone), visitor.requestor))
  })

  const cancelled = {
    schema: {
      operationId: 'cancelOperation',
      summary: 'Cancel an operation: what it did is undone',
      tags,
      params: One,
      response: { 200: Sync(Nothing) },
    },
  }
  app.delete('/1.0/operations/:id', cancelled, async (request, reply) => {
    await operations.cancel(keeping(request, DONE), request.params.id)
    return give(reply, DONE)
  })
}

function jobRoutes(app: App, operations: Operations): void {
  const schema = {
    operationId: 'getJob',
    summary: 'Poll an operation in four fields',
    tags,
    params: One,
    response: { 200: ref(JobAnswer) },
  }
  app.get('/jobs/:id', { schema }, async (request, reply) => {
    const seconds = preferredWait(request) ?? 0
    const operation = await operations.wait(callerOf(request), request.params.id, seconds, clientGone(reply))
    if (seconds > 0) reply.header('preference-applied', `wait=${seconds}`)
    if (!isFinal(operation.state)) reply.header('retry-after', '1')
    return toJob(operation)
  })
}

/** LXD's list: keys are the status in lower case. */
function groupByStatus(records: OperationRecord[]): Partial<Record<string, OperationRecord[]>> {
  return Object.groupBy(records, (record) => operationStatus(record).status.toLowerCase())
}

function mapValues<T>(groups: Partial<Record<string, OperationRecord[]>>, toItem: (record: OperationRecord) => T) {
  return Object.fromEntries(Object.entries(groups).map(([key, records = []]) => [key, records.map(toItem)]))
}
