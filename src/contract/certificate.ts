/** Client certificates that the server trusts, and the requests that make it trust one. */
import { Type, type Static } from 'typebox'
import { Role } from './common.ts'
import { maybe, named } from './named.ts'

const FINGERPRINT = '8fce369def57469ef4ace456862a3697fc1a992233cc4a58adcf09307f5d686f'

export const Certificate = named(
  'Certificate',
  Type.Object({
    name: Type.String({ examples: ['laptop'] }),
    type: Type.Literal('client'),
    restricted: Type.Boolean({ description: 'Only `projects` are there for it.' }),
    projects: Type.Array(Type.String(), { examples: [[]] }),
    certificate: Type.String({ description: 'PEM.' }),
    fingerprint: Type.String({ examples: [FINGERPRINT] }),
    role: Role,
  }),
)
export type Certificate = Static<typeof Certificate>

const writable = {
  name: maybe(Type.String()),
  type: maybe(Type.String({ description: '`client`, also where it is empty.' })),
  restricted: maybe(Type.Boolean()),
  projects: maybe(Type.Array(Type.String())),
  certificate: maybe(Type.String({ description: 'PEM, or its Base64 alone.' })),
  /** Not in LXD: `operator` where it is restricted, else `admin`, unless it is said. */
  role: maybe(Role),
}

export const CertificatesPost = named(
  'CertificatesPost',
  Type.Object(
    {
      ...writable,
      password: maybe(Type.String({ description: 'Of one who is not trusted: a trust token, or the trust password.' })),
      token: maybe(Type.Boolean({ description: 'Makes a trust token instead: an operation, whose metadata it is.' })),
    },
    { examples: [{ name: 'laptop', type: 'client', restricted: true, projects: ['default'], token: true }] },
  ),
)
export type CertificatesPost = Static<typeof CertificatesPost>

/** `PUT` and `PATCH`; what is left out of a PUT is its default, but for the certificate and the role. */
export const CertificatePut = named(
  'CertificatePut',
  Type.Object(writable, { examples: [{ name: 'laptop', type: 'client', restricted: true, projects: ['default'] }] }),
)
export type CertificatePut = Static<typeof CertificatePut>
