import { Type, type Static } from 'typebox'
import { Time } from './common.ts'
import { named, ref } from './named.ts'
import { Operation } from './operation.ts'
import { Lifecycle, LogLine } from './operation-record.ts'

/** What a client may follow; given none it follows all. */
export const EVENT_TYPES = ['operation', 'lifecycle', 'logging'] as const
export type EventType = (typeof EVENT_TYPES)[number]

const common = { timestamp: Time, location: Type.String({ examples: ['none'] }), project: Type.String() }

/** LXD's lifecycle event has the requestor inside and no project there. */
const LifecycleMetadata = Type.Omit(Lifecycle, ['project'])

/** One frame of the websocket, or the data of one server-sent event. */
export const Event = named(
  'Event',
  Type.Union([
    Type.Object({ type: Type.Literal('operation'), ...common, metadata: ref(Operation) }),
    Type.Object({ type: Type.Literal('lifecycle'), ...common, metadata: LifecycleMetadata }),
    Type.Object({ type: Type.Literal('logging'), ...common, metadata: LogLine }),
    Type.Object({
      type: Type.Literal('gap', { description: 'Events were missed: read again what you follow.' }),
      ...common,
      metadata: Type.Object({ reason: Type.String() }),
    }),
  ]),
)
export type Event = Static<typeof Event>
