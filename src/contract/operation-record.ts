/** The operation as it is kept: what was accepted (never changed again) and how far it came. Times are milliseconds since 1970. */
import Type, { type Static } from 'typebox'
import { Config, Requestor, Role } from './common.ts'

export const OperationState = Type.Union([
  Type.Literal('pending'),
  Type.Literal('running'),
  Type.Literal('success'),
  Type.Literal('failure'),
  Type.Literal('cancelled'),
])
export type OperationState = Static<typeof OperationState>

/** Written once, by the accept script. */
export const Accepted = Type.Object({
  v: Type.Literal(1),
  id: Type.String(),
  kind: Type.String(),
  class: Type.Union([Type.Literal('task'), Type.Literal('websocket'), Type.Literal('token')]),
  description: Type.String(),
  project: Type.String(),
  member: Type.String(),
  /** `store`: nobody performs it; it lies there until it is used or cancelled. */
  place: Type.Union([Type.Literal('worker'), Type.Literal('api'), Type.Literal('store')]),
  input: Type.Unknown(),
  /** LXD's `resources`: noun in the plural → URLs. null where LXD has null. */
  resources: Type.Union([Type.Record(Type.String(), Type.Array(Type.String())), Type.Null()]),
  /** What the operation is about, for `/jobs/<id>` and the history's filter. */
  entity: Type.Object({ type: Type.String(), id: Type.String(), name: Type.String(), url: Type.String() }),
  requestor: Requestor,
  role: Role,
  cancellable: Type.Boolean(),
  created: Type.Integer(),
})
export type Accepted = Static<typeof Accepted>

/** What a finished step leaves for the ones after it and for a later attempt. */
export const StepNote = Type.Object({
  name: Type.String(),
  at: Type.Integer(),
  attempt: Type.Integer(),
  data: Type.Optional(Type.Unknown()),
})
export type StepNote = Static<typeof StepNote>

export const Progress = Type.Object({
  step: Type.Integer({ description: 'n of `steps`, from 1.' }),
  steps: Type.Integer(),
  name: Type.String(),
  percent: Type.Integer({ minimum: 0, maximum: 100 }),
  text: Type.Optional(Type.String({ description: 'What LXD clients print, e.g. "Unpack: 40%".' })),
})
export type Progress = Static<typeof Progress>

export const Cancel = Type.Object({ by: Requestor, at: Type.Integer() })
export type Cancel = Static<typeof Cancel>

/** Written by begin, note and end, under the fence. */
export const Course = Type.Object({
  state: OperationState,
  epoch: Type.Integer(),
  fence: Type.Integer({ description: 'epoch · 10^6 + attempt of the job; 0 before the first begin.' }),
  attempts: Type.Integer(),
  worker: Type.String(),
  started: Type.Integer({ description: '0 before the first begin.' }),
  updated: Type.Integer(),
  ended: Type.Integer({ description: '0 while it is not final.' }),
  /** True from the point of no return on: it can only go forward. */
  forward: Type.Boolean(),
  cancel: Type.Union([Cancel, Type.Null()]),
  progress: Type.Union([Progress, Type.Null()]),
  notes: Type.Array(StepNote),
  metadata: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]),
  err: Type.String(),
  code: Type.String({ description: 'A failure code, or empty.' }),
  undone: Type.Array(Type.String()),
  warnings: Type.Array(Type.String()),
})
export type Course = Static<typeof Course>

export const OperationRecord = Type.Intersect([Accepted, Course])
/** `unreadable`: it stands in for a record that could not be read, for this reason. Never stored. */
export type OperationRecord = Accepted & Course & { unreadable?: string }

/** LXD's lifecycle event (lxd/FACTS.md, 5). */
export const Lifecycle = Type.Object({
  action: Type.String({ examples: ['instance-started'] }),
  source: Type.String({ examples: ['/1.0/instances/c1'] }),
  context: Type.Record(Type.String(), Type.Unknown()),
  requestor: Requestor,
  project: Type.String(),
})
export type Lifecycle = Static<typeof Lifecycle>

/** A line of the server's log that operators may follow. */
export const LogLine = Type.Object({ message: Type.String(), level: Type.String(), context: Config })
export type LogLine = Static<typeof LogLine>
