import Type, { type Static } from 'typebox'

/** LXD's free-form string maps (`config`): every value is a string. */
export const Config = Type.Record(Type.String(), Type.String())
export type Config = Static<typeof Config>

/** LXD's devices: device name → its properties, all strings. */
export const Devices = Type.Record(Type.String(), Config)
export type Devices = Static<typeof Devices>

/** RFC 3339 time with zone. "Never" is `0001-01-01T00:00:00Z`. */
export const Time = Type.String({ examples: ['2026-11-21T09:16:00.000Z'] })

/** What LXD writes for "no such time". */
export const NEVER = '0001-01-01T00:00:00Z'

/** What a token or certificate may do (see SECURITY.md): each role includes the ones before it. */
export const Role = Type.Union([Type.Literal('viewer'), Type.Literal('operator'), Type.Literal('admin')])
export type Role = Static<typeof Role>

/** Who asked, as LXD renders it in lifecycle events. */
export const Requestor = Type.Object({
  username: Type.String(),
  protocol: Type.Union([
    Type.Literal('unix'),
    Type.Literal('token'),
    Type.Literal('tls'),
    Type.Literal('windlass'),
    Type.Literal('none'),
  ]),
  address: Type.String(),
})
export type Requestor = Static<typeof Requestor>
