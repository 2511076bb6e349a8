/** What the API for OpenVZ receives and answers. */
import { Type, type Static, type TSchema } from 'typebox'

const text = (description: string, example: string) => Type.String({ description, examples: [example] })
const Config = Type.Record(Type.String(), Type.String())

function Sync<S extends TSchema>(metadata: S, description: string) {
  return Type.Object(
    {
      type: Type.Literal('sync'),
      status: Type.Literal('success'),
      status_code: Type.Literal(200),
      metadata,
    },
    { description },
  )
}

export function sync<T>(metadata: T) {
  return { type: 'sync' as const, status: 'success' as const, status_code: 200 as const, metadata }
}

const Machine = Type.Object({
  disk_space: text('The size of the root disk, `unlimited` without one.', '5GB'),
  disk_usage: text('`unknown`: the engine does not count it.', 'unknown'),
  memory: text("Its limit, or the host's.", '4GB'),
  free_memory: text('', '2GB'),
  cpu_load: text('Of one processor, since the reading before; of its whole run in the first.', '20%'),
  ip_address: text('Empty while it has none.', '10.0.0.5'),
})
export type Machine = Static<typeof Machine>

const state = {
  status: text('`Running`, `Stopped`, `Frozen` or `Error`.', 'Running'),
  status_code: Type.Integer({ examples: [103] }),
}
export const State = Type.Object(state)
export type State = Static<typeof State>

export const Container = Type.Object({
  hostname: text('', 'my-container'),
  config: Config,
  status: Type.Object({ ...state, machine: Type.Array(Machine) }),
  ctid: Type.Integer({ description: 'Its number.', examples: [101] }),
  instance: text("The instance's name in the native API.", 'my-container'),
})
export type Container = Static<typeof Container>

export const Operation = Type.Object({
  id: Type.String(),
  created_at: Type.Integer({ description: 'Seconds since 1970.' }),
  updated_at: Type.Integer(),
  status: text('`Pending`, `Running`, `Cancelling`, `Success`, `Failure` or `Cancelled`.', 'Running'),
  status_code: Type.Integer({ examples: [103] }),
  resources: Type.Object({ containers: Type.Array(Type.String()) }),
  metadata: Type.Record(Type.String(), Type.Unknown(), { description: '`error` says why it failed.' }),
  may_cancel: Type.Boolean(),
})
export type Operation = Static<typeof Operation>

export const Numbers = Sync(Type.Array(Type.Integer(), { examples: [[101, 102]] }), 'Numbers of all containers.')
export const OneState = Sync(State, 'Whether it runs.')
export const OneOperation = Sync(Operation, 'The operation.')
export const Nothing = Sync(Type.Object({}), 'The operation is cancelled.')
export const Shown = Type.Union([Sync(Container, 'A container.'), Sync(Operation, 'An operation.')], {
  description: 'The container, or the operation.',
})

export const Accepted = Type.Object(
  {
    type: Type.Literal('async'),
    status: Type.Literal('ok'),
    status_code: Type.Literal(100),
    operation: text(
      'Where the operation is; also at `/1.0/operations`.',
      '/1.0/vz/019a7b5c-1f00-7000-8000-000000000001',
    ),
    resources: Type.Object({ containers: Type.Array(Type.String({ examples: ['/1.0/vz/101'] })) }),
    metadata: Type.Record(Type.String(), Type.Unknown()),
  },
  { description: 'It goes on in the background; `Location` is where.' },
)
export type Accepted = Static<typeof Accepted>

export const Refused = Type.Object(
  {
    type: Type.Literal('error'),
    error: Type.Literal('failure'),
    error_code: Type.Integer(),
    metadata: Type.Object({ message: Type.String(), operation: Type.Optional(Type.String()) }),
  },
  {
    description: 'Refused or failed; `metadata.message` says why.',
    examples: [{ type: 'error', error: 'failure', error_code: 400, metadata: { message: 'Unknown action' } }],
  },
)
export type Refused = Static<typeof Refused>

export const Creation = Type.Object(
  {
    hostname: text('1 to 64 characters of ASCII without slash, colon or comma.', 'my-new-container'),
    config: Type.Optional(Config),
    source: Type.Object({
      type: text('`image`, `copy` or `none`; `migration` is refused.', 'image'),
      properties: Type.Optional(Config),
      alias: Type.Optional(text('For `image`: an alias, or a reference of a registry.', 'busybox')),
      fingerprint: Type.Optional(text('For `image`: whole, or a unique prefix.', '1a2b3c4d')),
      source: Type.Optional(
        Type.Union([Type.String(), Type.Integer()], { description: 'For `copy`: the number of a container.' }),
      ),
    }),
  },
  {
    examples: [
      {
        hostname: 'my-new-container',
        config: { 'limits.cpus': '2' },
        source: { type: 'image', properties: { os: 'ubuntu', release: '14.04', architecture: 'x86_64' } },
      },
    ],
  },
)
export type Creation = Static<typeof Creation>

export const Change = Type.Object(
  {
    hostname: Type.Optional(Type.String({ description: 'The one it has: there is no rename.' })),
    config: Type.Optional(Config),
    status: Type.Optional(Type.Unknown({ description: 'Ignored.' })),
    restore: Type.Optional(Type.String({ description: 'A snapshot to go back to; then nothing else counts.' })),
  },
  { examples: [{ hostname: 'my-container', config: { 'limits.cpus': '3' } }, { restore: 's0' }] },
)
export type Change = Static<typeof Change>

export const Action = Type.Object(
  {
    action: text('`start`, `stop`, `restart`, `freeze` or `unfreeze`.', 'stop'),
    timeout: Type.Optional(Type.Integer({ minimum: -1, maximum: 86_400, description: 'Seconds; -1: no bound.' })),
    force: Type.Optional(Type.Boolean({ description: 'Kill it (stop, restart).' })),
  },
  { examples: [{ action: 'stop', timeout: 30, force: true }] },
)

export const ById = Type.Object({ id: Type.String({ description: "A container's number, or any other id of it." }) })

/** The good answer beside those of every route. */
export function answers<S extends TSchema>(good: S) {
  return { 200: good, '4XX': Refused, '5XX': Refused }
}

/** The same of what goes on in the background. */
export const ACCEPTED = { 202: Accepted, '4XX': Refused, '5XX': Refused }
