import { Type, type Static } from 'typebox'
import { Config } from './common.ts'
import { maybe, named } from './named.ts'

export const Project = named(
  'Project',
  Type.Object({
    name: Type.String({ examples: ['default'] }),
    description: Type.String(),
    config: Config,
    used_by: Type.Array(Type.String()),
  }),
)
export type Project = Static<typeof Project>

const writable = { description: maybe(Type.String()), config: maybe(Config) }

export const ProjectsPost = named(
  'ProjectsPost',
  Type.Object(
    { ...writable, name: maybe(Type.String()) },
    { examples: [{ name: 'shop', description: 'the web shop' }] },
  ),
)
export type ProjectsPost = Static<typeof ProjectsPost>

export const ProjectPut = named(
  'ProjectPut',
  Type.Object(writable, { examples: [{ description: 'the web shop', config: {} }] }),
)
export type ProjectPut = Static<typeof ProjectPut>

/** What is given is merged into what is there. */
export const ProjectPatch = named(
  'ProjectPatch',
  Type.Object(writable, { examples: [{ description: 'the web shop' }] }),
)
export type ProjectPatch = Static<typeof ProjectPatch>

/** Rename. */
export const ProjectPost = named(
  'ProjectPost',
  Type.Object({ name: maybe(Type.String()) }, { examples: [{ name: 'store' }] }),
)
export type ProjectPost = Static<typeof ProjectPost>

/** `GET …/state`: LXD writes these two names with capitals. A limit that is not set is -1. */
export const ProjectState = named(
  'ProjectState',
  Type.Object({
    resources: Type.Record(Type.String(), Type.Object({ Limit: Type.Integer(), Usage: Type.Integer() }), {
      examples: [{ instances: { Limit: -1, Usage: 2 } }],
    }),
  }),
)
export type ProjectState = Static<typeof ProjectState>
