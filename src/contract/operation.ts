/** LXD's operation as the wire has it, and the small shape that is easy to poll. */
import { Type, type Static } from 'typebox'
import { Requestor, Time } from './common.ts'
import { named, nullable, ref } from './named.ts'
import { Progress } from './operation-record.ts'

/** LXD's words for how far an operation is. */
const Status = Type.Union([
  Type.Literal('Pending'),
  Type.Literal('Running'),
  Type.Literal('Cancelling'),
  Type.Literal('Success'),
  Type.Literal('Failure'),
  Type.Literal('Cancelled'),
])

const example = {
  id: '019a7b5c-1f00-7000-8000-000000000001',
  class: 'task',
  description: 'Creating instance',
  created_at: '2026-11-21T09:13:45.000Z',
  updated_at: '2026-11-21T09:13:45.012Z',
  status: 'Running',
  status_code: 103,
  resources: { instances: ['/1.0/instances/c1'], containers: ['/1.0/containers/c1'] },
  metadata: null,
  may_cancel: true,
  err: '',
  location: 'none',
}

/** What Windlass knows of an operation beyond LXD's fields. */
export const Background = Type.Object({
  kind: Type.String({ examples: ['instance.create'] }),
  project: Type.String(),
  attempts: Type.Integer({ description: 'How many times a worker took it up.' }),
  worker: Type.String(),
  requestor: Requestor,
  started_at: Time,
  ended_at: Time,
  progress: nullable(Progress),
  steps: Type.Array(Type.String(), { description: 'The steps that are done.' }),
  undone: Type.Array(Type.String(), { description: 'The steps that were taken back after a failure or a cancel.' }),
  warnings: Type.Array(Type.String()),
  cancelled_by: nullable(Requestor),
  error_kind: Type.String({ description: 'A stable word for the failure, or empty.', examples: ['not-found'] }),
})

export const Operation = named(
  'Operation',
  Type.Object(
    {
      id: Type.String(),
      class: Type.Union([Type.Literal('task'), Type.Literal('websocket'), Type.Literal('token')]),
      description: Type.String(),
      created_at: Time,
      updated_at: Time,
      status: Status,
      status_code: Type.Integer({ description: '200 and more is final.' }),
      resources: nullable(Type.Record(Type.String(), Type.Array(Type.String()))),
      metadata: nullable(Type.Record(Type.String(), Type.Unknown())),
      may_cancel: Type.Boolean(),
      err: Type.String(),
      location: Type.String(),
      windlass: Type.Optional(Background),
    },
    { examples: [example] },
  ),
)
export type Operation = Static<typeof Operation>

/** LXD's list: status in lower case → URLs, or operations with recursion. */
export const OperationUrls = Type.Record(Type.String(), Type.Array(Type.String()))
export const OperationsByStatus = Type.Record(Type.String(), Type.Array(ref(Operation)))

export const OperationHistory = named(
  'OperationHistory',
  Type.Object({
    operations: Type.Array(ref(Operation)),
    cursor: nullable(Type.String({ description: 'Give it as `cursor` for the next page; null at the end.' })),
  }),
)
export type OperationHistory = Static<typeof OperationHistory>

/** The bare shape of `/jobs/<id>`. */
export const JobAnswer = named(
  'Job',
  Type.Object(
    {
      status: Type.Union([Type.Literal('pending'), Type.Literal('done'), Type.Literal('failed')]),
      entity_type: Type.String({ examples: ['instance'] }),
      entity_id: Type.String(),
      error: nullable(Type.String()),
    },
    {
      examples: [
        { status: 'done', entity_type: 'instance', entity_id: '5c6c8a7e-0f62-4a55-a2c1-3c4f4ce6f5a1', error: null },
      ],
    },
  ),
)
export type JobAnswer = Static<typeof JobAnswer>
