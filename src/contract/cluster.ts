import { Type } from 'typebox'
import { named } from './named.ts'

/** `GET /1.0/cluster`. */
export const Cluster = named(
  'Cluster',
  Type.Object({
    server_name: Type.String(),
    enabled: Type.Boolean({ examples: [false] }),
    member_config: Type.Array(Type.Record(Type.String(), Type.Unknown())),
  }),
)
