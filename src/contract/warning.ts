import { Type, type Static } from 'typebox'
import { Time } from './common.ts'
import { maybe, named } from './named.ts'

const Status = Type.Union([Type.Literal('new'), Type.Literal('acknowledged'), Type.Literal('resolved')])

export const Warning = named(
  'Warning',
  Type.Object({
    uuid: Type.String(),
    status: Status,
    location: Type.String(),
    project: Type.String(),
    type: Type.String(),
    severity: Type.Union([Type.Literal('low'), Type.Literal('moderate'), Type.Literal('high')]),
    count: Type.Integer(),
    first_seen_at: Time,
    last_seen_at: Time,
    last_message: Type.String(),
    entity_url: Type.String(),
  }),
)
export type Warning = Static<typeof Warning>

export const WarningPut = named(
  'WarningPut',
  Type.Object(
    { status: maybe(Type.String({ description: 'new or acknowledged.' })) },
    { examples: [{ status: 'acknowledged' }] },
  ),
)
export type WarningPut = Static<typeof WarningPut>
