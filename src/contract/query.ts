/** Query parameters. All are strings: LXD takes what it cannot read as if it were not given. */
import { Type, type TProperties } from 'typebox'

const project = Type.Optional(
  Type.String({ description: 'The project; `default` when missing.', examples: ['default'] }),
)

/** Parameters of a request about one object. */
export const InProject = <P extends TProperties>(properties: P) => Type.Object({ project, ...properties })

/** Parameters of a list. */
export const ListQuery = <P extends TProperties>(properties: P) =>
  Type.Object({
    project,
    'all-projects': Type.Optional(Type.String({ description: '`true`: of all projects.', examples: ['false'] })),
    recursion: Type.Optional(
      Type.String({ description: '0: URLs; 1: objects; 2: with all that belongs to them.', examples: ['1'] }),
    ),
    filter: Type.Optional(
      Type.String({ description: '`field eq value`, with `and`, `or`, `not`.', examples: ['status eq running'] }),
    ),
    ...properties,
  })
