import { Type, type Static } from 'typebox'
import { Role, Time } from './common.ts'
import { maybe, named, nullable } from './named.ts'

const common = {
  name: Type.String({ examples: ['ci'] }),
  role: Role,
  projects: nullable(Type.Array(Type.String(), { description: 'null: every project.' })),
  description: Type.String(),
  created_at: Time,
  expires_at: Time,
}

/** A token as it can be looked at: never its secret. */
export const Token = named('Token', Type.Object(common))
export type Token = Static<typeof Token>

/** The answer to making one: the only time the secret is shown. */
export const NewToken = named(
  'NewToken',
  Type.Object({ ...common, token: Type.String({ description: 'Shown this once.' }) }),
)
export type NewToken = Static<typeof NewToken>

export const TokensPost = named(
  'TokensPost',
  Type.Object(
    {
      name: maybe(Type.String()),
      role: maybe(Role),
      projects: maybe(Type.Array(Type.String())),
      description: maybe(Type.String()),
      expires_at: maybe(Type.String({ description: 'RFC 3339; missing: never.' })),
    },
    { examples: [{ name: 'ci', role: 'operator', projects: ['default'] }] },
  ),
)
export type TokensPost = Static<typeof TokensPost>
