/** Requests and answers of HebergOS docker link. Parameters stand in the query, also of a POST. */
import Type, { type Static } from 'typebox'

const given = Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())]))
const described = (description: string) =>
  Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())], { description }))

/** A parameter that was given more than once: the first one counts. */
export function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

export const ListQuery = Type.Object({
  id: described('Ids of containers, any number of them; their keys in the answer are as they were written.'),
  running: described('`true`: only those that run. Not looked at where there are ids.'),
})
export type ListQuery = Static<typeof ListQuery>

export const IdQuery = Type.Object({ id: given })
export type IdQuery = Static<typeof IdQuery>

export const DeleteQuery = Type.Object({
  id: given,
  deletevolume: described('`true` unless said otherwise: volumes of the container go with it.'),
})
export type DeleteQuery = Static<typeof DeleteQuery>

export const StatsQuery = Type.Object({
  id: given,
  since: described('Unix seconds: only what is later.'),
  scale: described('Accepted: all that is kept is shown.'),
})
export type StatsQuery = Static<typeof StatsQuery>

export const GitQuery = Type.Object({
  id: given,
  path: described('The repository, an absolute path in the container; where its processes start unless given.'),
  branch: described('A branch, for a checkout.'),
})
export type GitQuery = Static<typeof GitQuery>

/** Numbers in GiB and in processors. */
export const CreateBody = Type.Object(
  {
    name: Type.Optional(Type.String()),
    host_port_root: Type.Optional(Type.Number({ description: 'A port N of the container is N + this on the host.' })),
    memory: Type.Optional(Type.Number({ description: 'GiB.' })),
    cpulimit: Type.Optional(Type.Number({ description: 'Processors.' })),
    ports: Type.Optional(Type.Array(Type.String({ description: '`8080/tcp`; 22, 80 and 443 are always there.' }))),
    image: Type.Optional(Type.String()),
    commands: Type.Optional(
      Type.Array(Type.String(), { description: 'Run by a shell one after the other at each start.' }),
    ),
  },
  { examples: [{ name: 'web1', host_port_root: 10_000, memory: 0.5, cpulimit: 1, ports: ['8080/tcp'] }] },
)
export type CreateBody = Static<typeof CreateBody>

export const PatchBody = Type.Object(
  { memory: Type.Optional(Type.Number()), cpulimit: Type.Optional(Type.Number()) },
  { examples: [{ memory: 1, cpulimit: 0.5 }] },
)
export type PatchBody = Static<typeof PatchBody>

/** Of the first revision. `started_at` (Unix seconds) while it runs or is paused, else `exit_code`. */
export const Entry = Type.Object({
  name: Type.String({ examples: ['/web1'] }),
  state: Type.String({ examples: ['running'] }),
  started_at: Type.Optional(Type.Integer({ examples: [1_696_515_375] })),
  exit_code: Type.Optional(Type.Integer()),
})
export type Entry = Static<typeof Entry>

/** Of later revisions. */
export const FullEntry = Type.Object({
  ...Entry.properties,
  dockerlink: Type.String({ examples: ['v0.0.1'] }),
  host_port_root: Type.Union([Type.String(), Type.Null()], { examples: ['10000'] }),
  ports: Type.Record(Type.String(), Type.Object({}), { examples: [{ '22/tcp': {} }] }),
})
export type FullEntry = Static<typeof FullEntry>

export const FlatList = Type.Record(Type.String(), Entry)
export const Envelope = Type.Object({
  success: Type.Record(Type.String(), FullEntry),
  error: Type.Record(Type.String(), Type.String()),
})

/** GiB, percent of one processor, KiB. */
export const Stats = Type.Record(
  Type.String(),
  Type.Object({
    memory: Type.Object({ used: Type.Number(), limit: Type.Number() }),
    cpu: Type.Object({ usage_percent: Type.Number(), limit: Type.Number() }),
    net: Type.Object({
      up: Type.Integer(),
      down: Type.Integer(),
      delta_up: Type.Integer(),
      delta_down: Type.Integer(),
    }),
  }),
)
export type Stats = Static<typeof Stats>

export const Created = Type.Object({ Id: Type.String(), Warnings: Type.Array(Type.String()) })
export const Patched = Type.Object({ Warnings: Type.Null() })
export const Branches = Type.Array(Type.String(), { examples: [['main', 'remotes/origin/main']] })
export const Env = Type.Object({ docker_sock: Type.String(), port_area_size: Type.String(), base_image: Type.String() })

/** An answer in plain text. */
export const text = (description: string) => ({
  description,
  content: { 'text/plain': { schema: Type.String() } },
})
export const nothing = (description: string) => Type.Null({ description })
