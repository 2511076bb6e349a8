/** Windlass' own: the sweep that mends what crashes have left, run by hand. */
import Type, { type Static } from 'typebox'
import { named } from './named.ts'

/** `POST /1.0/reconcile`. */
export const ReconcilePost = named(
  'ReconcilePost',
  Type.Object({
    dry_run: Type.Optional(Type.Boolean({ description: 'Only list what would be done.', examples: [true] })),
  }),
)
export type ReconcilePost = Static<typeof ReconcilePost>

/**
 * `queue`: a lost job, again. `end`: an operation that cannot be read, as failed. `free`: a name or a key that nobody
 * holds. `remove`: what an ended operation has left in the engine. `rebuild`: a lost record, from labels. `tell`: as a
 * warning, and nothing else.
 */
const Action = Type.Union([
  Type.Literal('queue'),
  Type.Literal('end'),
  Type.Literal('free'),
  Type.Literal('remove'),
  Type.Literal('rebuild'),
  Type.Literal('tell'),
])

/** Metadata of the operation when it has ended. */
export const Reconciled = Type.Object({
  dry_run: Type.Boolean(),
  found: Type.Array(
    Type.Object({
      action: Action,
      object: Type.String({ examples: ['container c1.lxd (3f1c2a9b0d4e)'] }),
      reason: Type.String(),
      done: Type.Boolean({ description: 'False in a dry run, where it was no longer so, and where it failed.' }),
      error: Type.Optional(Type.String()),
    }),
  ),
  more: Type.Integer({ description: 'How many were found besides those listed.' }),
})
