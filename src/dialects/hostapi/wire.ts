/** What crosses this dialect's wire. */
import { Type, type Static, type TSchema } from 'typebox'

const maybe = <S extends TSchema>(schema: S) => Type.Optional(Type.Union([schema, Type.Null()]))
const Bytes = Type.Number({ description: 'Bytes.' })
const Percent = Type.Number({ minimum: 0, maximum: 100 })

const Port = Type.Object({
  IP: Type.String(),
  PrivatePort: Type.Integer(),
  PublicPort: Type.Integer(),
  Type: Type.String({ examples: ['tcp'] }),
})

/** An entry of Docker's list of containers, with `pk` and `status`. */
export const Container = Type.Object(
  {
    pk: Type.String({ description: '64 hex digits that stay the same for ever.' }),
    status: Type.Union([Type.Literal('running'), Type.Literal('stopped'), Type.Literal('suspended')]),
    Id: Type.String({ description: 'The same as `pk`.' }),
    Names: Type.Array(Type.String(), { description: 'Its name here, and its name as an instance if that differs.' }),
    Image: Type.String({ description: 'An alias of its image, else the fingerprint.' }),
    Command: Type.String(),
    Created: Type.Integer({ description: 'Seconds since 1970.' }),
    Status: Type.String({ description: 'In words.', examples: ['Up 2 minutes'] }),
    Ports: Type.Array(Port),
    Labels: Type.Record(Type.String(), Type.String()),
  },
  {
    title: 'Container',
    examples: [
      {
        pk: '38e8289de72938d2d082d24158f2d6f3961d26de7e9736fbafcc3d07bc20f8f7',
        status: 'running',
        Id: '38e8289de72938d2d082d24158f2d6f3961d26de7e9736fbafcc3d07bc20f8f7',
        Names: ['/n1'],
        Image: 'busybox',
        Command: 'sh',
        Created: 1431000000,
        Status: 'Up 2 minutes',
        Ports: [],
        Labels: {},
      },
    ],
  },
)
export type Container = Static<typeof Container>

/** An entry of Docker's list of images, with `pk`: images and snapshots. */
export const Image = Type.Object(
  {
    pk: Type.String({ description: '64 hex digits; of an image, its fingerprint.' }),
    Id: Type.String({ description: 'The same as `pk`.' }),
    ParentId: Type.String(),
    RepoTags: Type.Array(Type.String(), { examples: [['busybox:latest']] }),
    Created: Type.Integer({ description: 'Seconds since 1970.' }),
    Size: Bytes,
    VirtualSize: Bytes,
    Labels: Type.Record(Type.String(), Type.String()),
  },
  { title: 'Image' },
)
export type Image = Static<typeof Image>

/** With `clone_of`: the new container, and the image of the original that it was made from. */
export const Cloned = Type.Object({ container: Container, image: Image }, { title: 'Cloned' })

/** The first form of a creation; the container is not started. */
export const Creation = Type.Object(
  {
    name: Type.String(),
    image: Type.String({ description: 'An alias, a fingerprint, or a reference of a registry.' }),
    command: Type.String({ description: 'Split into words as a shell does; empty: the one of the image.' }),
  },
  { title: 'Creation', examples: [{ name: 'n1', image: 'busybox', command: 'sh' }] },
)
export type Creation = Static<typeof Creation>

/** The later form, known by its `uid`; the container is started. */
export const UserCreation = Type.Object(
  {
    username: Type.String({ description: "The container's environment variable OWNER." }),
    uid: Type.Integer({ minimum: 0 }),
    name: Type.String({ description: 'The container is called `coco-u<uid>-<name>`.' }),
    ports: maybe(
      Type.Array(
        Type.Object({
          address: maybe(Type.String({ description: 'Of the host; empty: all.' })),
          external: Type.Integer({ minimum: 1, maximum: 65_535 }),
          internal: Type.Integer({ minimum: 1, maximum: 65_535 }),
        }),
      ),
    ),
    volumes: maybe(
      Type.Array(
        Type.Object({
          source: Type.String({ description: 'A path of the host; needs the role admin.' }),
          target: Type.String(),
        }),
      ),
    ),
    cmd: maybe(Type.String({ description: 'null: the one of the image.' })),
    base_url: maybe(Type.String({ description: "The container's environment variable BASE_URL." })),
    image: maybe(Type.String({ description: 'This or `clone_of`.' })),
    clone_of: maybe(Type.String({ description: 'pk of a container.' })),
  },
  {
    title: 'UserCreation',
    examples: [{ username: 'anna', uid: 2500, name: 'n1', ports: [], volumes: [], image: 'busybox', cmd: null }],
  },
)
export type UserCreation = Static<typeof UserCreation>

export const Clone = Type.Object({ name: Type.String() }, { title: 'Clone', examples: [{ name: 'n2' }] })

export const Exec = Type.Object(
  { command: Type.String({ minLength: 1, description: 'Split into words as a shell does; no shell runs.' }) },
  { title: 'Exec', examples: [{ command: 'ls -l' }] },
)

export const SnapshotCreation = Type.Object(
  { name: Type.String({ minLength: 1 }) },
  { title: 'SnapshotCreation', examples: [{ name: 's1' }] },
)

export const ImageCreation = Type.Object(
  {
    container: Type.String({ description: 'pk of the container to make an image of.' }),
    name: Type.String({ minLength: 1 }),
  },
  {
    title: 'ImageCreation',
    examples: [{ container: '38e8289de72938d2d082d24158f2d6f3961d26de7e9736fbafcc3d07bc20f8f7', name: 'i1' }],
  },
)

/** Of this server's machine. */
export const Status = Type.Object(
  {
    backends: Type.Object({
      container: Type.Object({
        status: Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)], {
          description: '0: all is well; 1: no worker runs; 2: the engine or Redis does not answer.',
        }),
      }),
    }),
    resources: Type.Object({
      cpu: Type.Object({ count: Type.Integer(), usage: Percent }),
      disk: Type.Object({ total: Bytes, used: Bytes, free: Bytes, percent: Percent }),
      memory: Type.Object({ total: Bytes, available: Bytes, percent: Percent, used: Bytes, free: Bytes }),
      swap: Type.Object({ total: Bytes, used: Bytes, free: Bytes, percent: Percent, sin: Bytes, sout: Bytes }),
    }),
  },
  { title: 'Status' },
)
export type Status = Static<typeof Status>

export const Refused = Type.Object(
  {
    error: Type.Union([Type.String(), Type.Null()]),
    detail: Type.Optional(Type.String({ description: 'More about it, where there is more to say.' })),
  },
  { title: 'Refused', description: 'Refused or failed.' },
)
export type Refused = Static<typeof Refused>
