/** The three envelopes that every JSON answer under `/1.0` has; all six keys are always there. */
import { Type, type Static, type TSchema } from 'typebox'
import { named } from './named.ts'

/** The envelope of an answer that is complete; `status_code` is 200 for a 201 as well. */
export const Sync = <S extends TSchema>(metadata: S) =>
  Type.Object({
    type: Type.Literal('sync'),
    status: Type.Literal('Success'),
    status_code: Type.Literal(200),
    operation: Type.Literal(''),
    error_code: Type.Literal(0),
    error: Type.Literal(''),
    metadata,
  })

/** The envelope of a 202: the work goes on under the URL in `operation`. */
export const Async = <S extends TSchema>(operation: S) =>
  Type.Object({
    type: Type.Literal('async'),
    status: Type.Literal('Operation created'),
    status_code: Type.Literal(100),
    operation: Type.String({ examples: ['/1.0/operations/019a7b5c-1f00-7000-8000-000000000001'] }),
    error_code: Type.Literal(0),
    error: Type.Literal(''),
    metadata: operation,
  })

export const ErrorAnswer = named(
  'Error',
  Type.Object(
    {
      type: Type.Literal('error'),
      status: Type.Literal(''),
      status_code: Type.Literal(0),
      operation: Type.String({ description: 'URL of the operation that stands in the way, or empty.' }),
      error_code: Type.Integer({ examples: [404] }),
      error: Type.String({ examples: ['Instance not found'] }),
      metadata: Type.Null(),
    },
    {
      examples: [
        {
          type: 'error',
          status: '',
          status_code: 0,
          operation: '',
          error_code: 404,
          error: 'Instance not found',
          metadata: null,
        },
      ],
    },
  ),
)
export type ErrorAnswer = Static<typeof ErrorAnswer>

/** Metadata of a change that has nothing to tell. */
export const Nothing = Type.Object({}, { description: 'Always empty.' })

export const Urls = Type.Array(Type.String(), { description: 'URLs of the objects.' })
