import { Type, type Static } from 'typebox'
import { Config, Time } from './common.ts'
import { maybe, named } from './named.ts'

const AliasOfImage = Type.Object({ name: Type.String(), description: Type.String() })

export const Image = named(
  'Image',
  Type.Object({
    fingerprint: Type.String({ description: 'SHA-256; a unique prefix will do in URLs.' }),
    aliases: Type.Array(AliasOfImage),
    architecture: Type.String(),
    auto_update: Type.Boolean(),
    cached: Type.Boolean(),
    filename: Type.String(),
    properties: Config,
    profiles: Type.Array(Type.String()),
    public: Type.Boolean(),
    size: Type.Integer({ description: 'Bytes.' }),
    type: Type.Literal('container'),
    project: Type.String(),
    created_at: Time,
    uploaded_at: Time,
    expires_at: Time,
    last_used_at: Time,
    update_source: Type.Optional(
      Type.Object(
        {
          server: Type.String(),
          protocol: Type.Literal('lxd'),
          certificate: Type.String(),
          alias: Type.String(),
          image_type: Type.Literal('container'),
        },
        { description: 'The server that it was copied from and is looked for again.' },
      ),
    ),
  }),
)
export type Image = Static<typeof Image>

const ImageSource = Type.Object({
  type: maybe(Type.String({ description: '`instance` or `snapshot` to publish, `image` to pull.' })),
  name: maybe(Type.String({ description: '`c1` or `c1/s0`.' })),
  project: maybe(Type.String()),
  alias: maybe(Type.String({ description: 'A registry reference such as `alpine:3.20`.' })),
  fingerprint: maybe(Type.String()),
  server: maybe(Type.String()),
  protocol: maybe(Type.String()),
  mode: maybe(Type.String({ description: '`pull`, or `push`: another server will send it and shows the secret.' })),
  secret: maybe(Type.String()),
  certificate: maybe(Type.String()),
  image_type: maybe(Type.String()),
  url: maybe(Type.String()),
  username: maybe(Type.String({ description: 'For the registry.' })),
  password: maybe(Type.String({ description: 'For the registry; never shown again.' })),
})

const editable = {
  auto_update: maybe(Type.Boolean()),
  properties: maybe(Config),
  public: maybe(Type.Boolean()),
  expires_at: maybe(Type.String()),
  profiles: maybe(Type.Array(Type.String())),
}

/** Publish an instance or a snapshot, or pull from a registry. A tarball is sent as octet-stream instead. */
export const ImagesPost = named(
  'ImagesPost',
  Type.Object(
    {
      ...editable,
      source: maybe(ImageSource),
      filename: maybe(Type.String()),
      compression_algorithm: maybe(Type.String({ description: 'gzip, zstd, xz, bzip2, lzma or none.' })),
      aliases: maybe(Type.Array(Type.Object({ name: Type.String(), description: maybe(Type.String()) }))),
    },
    {
      examples: [
        { source: { type: 'instance', name: 'c1' }, aliases: [{ name: 'web', description: '' }] },
        { source: { type: 'image', alias: 'alpine:3.20' } },
      ],
    },
  ),
)
export type ImagesPost = Static<typeof ImagesPost>

/** Where an image is to be sent. */
export const ImageExportPost = named(
  'ImageExportPost',
  Type.Object(
    {
      target: maybe(Type.String({ description: 'URL of the other server.' })),
      certificate: maybe(Type.String({ description: 'PEM; without it one that an authority vouches for.' })),
      secret: maybe(Type.String({ description: 'Of the token by which the other server expects it.' })),
      project: maybe(Type.String({ description: 'There.' })),
      aliases: maybe(Type.Array(Type.Unknown())),
      profiles: maybe(Type.Array(Type.String())),
    },
    { examples: [{ target: 'https://10.0.0.2:8443', secret: '5a0da7d41a5c' }] },
  ),
)
export type ImageExportPost = Static<typeof ImageExportPost>

export const ImagePut = named(
  'ImagePut',
  Type.Object(editable, { examples: [{ properties: { os: 'Alpine' }, public: false }] }),
)
export type ImagePut = Static<typeof ImagePut>

/** What is given is merged into what is there. */
export const ImagePatch = named('ImagePatch', Type.Object(editable, { examples: [{ properties: { os: 'Alpine' } }] }))
export type ImagePatch = Static<typeof ImagePatch>

export const Alias = named(
  'Alias',
  Type.Object({
    name: Type.String(),
    description: Type.String(),
    target: Type.String({ description: 'Fingerprint.' }),
    type: Type.Literal('container'),
  }),
)
export type Alias = Static<typeof Alias>

export const AliasesPost = named(
  'AliasesPost',
  Type.Object(
    {
      name: maybe(Type.String()),
      description: maybe(Type.String()),
      target: maybe(Type.String()),
      type: maybe(Type.String()),
    },
    { examples: [{ name: 'web', target: '5a0da7d41a5c', description: '' }] },
  ),
)
export type AliasesPost = Static<typeof AliasesPost>

export const AliasPut = named(
  'AliasPut',
  Type.Object(
    { description: maybe(Type.String()), target: maybe(Type.String()) },
    { examples: [{ description: 'our web server' }] },
  ),
)
export type AliasPut = Static<typeof AliasPut>

/** Rename. */
export const AliasPost = named(
  'AliasPost',
  Type.Object({ name: maybe(Type.String()) }, { examples: [{ name: 'site' }] }),
)
export type AliasPost = Static<typeof AliasPost>
