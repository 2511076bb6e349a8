/** What LXC Web Panel's API receives and answers. */
import { Type, type Static, type TProperties } from 'typebox'

/** Clients write `null` for what they leave out. */
const text = (description: string, ...examples: string[]) =>
  Type.Optional(Type.Union([Type.String({ examples }), Type.Null()], { description }))

export const Listed = Type.Array(
  Type.Object({
    container: Type.String(),
    state: Type.Union([Type.Literal('running'), Type.Literal('stopped'), Type.Literal('frozen')]),
  }),
  { description: 'All containers by name.', examples: [[{ container: 'base', state: 'running' }]] },
)
export type Listed = Static<typeof Listed>

/** Of a stopped one only name, state and a pid of 0, as the original; figures are text for people. */
export const Container = Type.Object(
  {
    name: Type.String(),
    instance: Type.String({ description: "The instance's name in the native API." }),
    state: Type.Union([Type.Literal('RUNNING'), Type.Literal('STOPPED'), Type.Literal('FROZEN')]),
    pid: Type.Union([Type.String(), Type.Literal(0)], { description: 'Text while it runs, the number 0 else.' }),
    ip: Type.Optional(Type.String()),
    cpu_use: Type.Optional(Type.String()),
    blkio_use: Type.Optional(Type.String()),
    memory_use: Type.Optional(Type.String()),
    kmem_use: Type.Optional(Type.String()),
    link: Type.Optional(Type.String({ description: 'The bridge it is on.' })),
    rx_bytes: Type.Optional(Type.String()),
    tx_bytes: Type.Optional(Type.String()),
    total_bytes: Type.Optional(Type.String()),
  },
  {
    description: 'The container; figures only while it runs.',
    examples: [
      {
        name: 'base',
        instance: 'base',
        state: 'RUNNING',
        pid: '4548',
        ip: '192.168.9.100',
        cpu_use: '0.67 seconds',
        blkio_use: '7.66 MiB',
        memory_use: '2.02 MiB',
        kmem_use: '0 bytes',
        link: 'lxdbr0',
        rx_bytes: '81.08 KiB',
        tx_bytes: '0 bytes',
        total_bytes: '81.08 KiB',
      },
    ],
  },
)
export type Container = Static<typeof Container>

export const Done = Type.Object({ status: Type.Literal('ok') }, { description: 'Done.' })
export type Done = Static<typeof Done>
export const DONE: Done = { status: 'ok' }

export const Refused = Type.Object(
  { error: Type.String(), status: Type.Literal('error') },
  { description: 'Refused or failed; `error` says why.', examples: [{ error: 'Unauthorized', status: 'error' }] },
)
export type Refused = Static<typeof Refused>

export const Action = Type.Object(
  { action: Type.String({ description: '`start`, `stop`, `freeze` or `unfreeze`.', examples: ['start'] }) },
  { examples: [{ action: 'start' }] },
)
export type Action = Static<typeof Action>

export const Creation = Type.Object(
  {
    name: Type.String({ description: '1 to 64 letters, digits and `_.-`.', examples: ['test_vm.1'] }),
    template: text('An image: alias, fingerprint, reference of a registry, or the name of an LXC template.', 'ubuntu'),
    clone: text('The container to copy; ignored where there is a template.', 'base'),
    store: text('A backing store of LXC; checked, without effect.', 'dir'),
    xargs: text('Options of the template: `-r` and `-d` choose the release, others have no effect.', '-r noble'),
  },
  { examples: [{ name: 'web', template: 'ubuntu', xargs: '-r noble' }] },
)
export type Creation = Static<typeof Creation>

export const TokenAddition = Type.Object(
  {
    token: Type.String({ description: '1 character or more; fewer than 16 are easily guessed.' }),
    description: text('What it is for.', 'monitoring'),
  },
  { examples: [{ token: 'd41d8cd98f00b204e9800998ecf8427e', description: 'monitoring' }] },
)
export type TokenAddition = Static<typeof TokenAddition>

export const OfContainer = Type.Object({ name: Type.String({ description: "The container's name, or any id of it." }) })
export const OfToken = Type.Object({ token: Type.String() })

/** The good answer beside those of every route. */
export function answers<S extends TProperties[string]>(good: S) {
  return { 200: good, '4XX': Refused, '5XX': Refused }
}
