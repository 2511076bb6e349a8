/** What LXD's `metadata.yaml` says of an image, and of each instance made from it. */
import { Type, type Static } from 'typebox'
import { Config } from './common.ts'
import { maybe, named } from './named.ts'

const TemplateRule = Type.Object({
  when: Type.Array(Type.String(), { description: 'create, copy, start or rename.' }),
  create_only: Type.Boolean({ description: 'A file that is there already stays.' }),
  template: Type.String({ description: 'Name of the template.' }),
  properties: Config,
})
export type TemplateRule = Static<typeof TemplateRule>

/** `templates`: the path inside → which template makes the file, and when. */
export const InstanceMetadata = named(
  'InstanceMetadata',
  Type.Object({
    architecture: Type.String(),
    creation_date: Type.Integer({ description: 'Seconds since 1970.' }),
    expiry_date: Type.Integer(),
    properties: Config,
    templates: Type.Record(Type.String(), TemplateRule),
  }),
)
export type InstanceMetadata = Static<typeof InstanceMetadata>

/** With the templates' own texts, by name. */
export const KeptMetadata = Type.Object({
  ...InstanceMetadata.properties,
  files: Type.Record(Type.String(), Type.String()),
})
export type KeptMetadata = Static<typeof KeptMetadata>

const example = {
  architecture: 'x86_64',
  creation_date: 1700000000,
  expiry_date: 0,
  properties: { os: 'Debian' },
  templates: {
    '/etc/motd': { when: ['create', 'copy'], create_only: false, template: 'motd.tpl', properties: {} },
  },
}

/** `PUT` takes the place of all of it, `PATCH` is merged into what is there. */
export const InstanceMetadataPut = named(
  'InstanceMetadataPut',
  Type.Object(
    {
      architecture: maybe(Type.String()),
      creation_date: maybe(Type.Integer()),
      expiry_date: maybe(Type.Integer()),
      properties: maybe(Config),
      templates: maybe(
        Type.Record(
          Type.String(),
          Type.Object({
            when: maybe(Type.Array(Type.String())),
            create_only: maybe(Type.Boolean()),
            template: maybe(Type.String()),
            properties: maybe(Config),
          }),
        ),
      ),
    },
    { examples: [example] },
  ),
)
export type InstanceMetadataPut = Static<typeof InstanceMetadataPut>
