/** Who is let in: by token, by certificate, and how a stranger's certificate comes to be trusted. */
import type { RecordStore } from './core/ports.ts'
import { createCertificates } from './services/certificates.ts'
import { createGuesses } from './services/guesses.ts'
import type { HttpsFacts } from './services/https-facts.ts'
import type { Operations } from './services/operations.ts'
import { createTokens } from './services/tokens.ts'
import { createTrust } from './services/trust.ts'
import { createWrites } from './services/writes.ts'
import type { Deps } from './wire.ts'

/** The HTTPS listener, once it listens. */
export type Https = () => HttpsFacts | undefined

/** Wrong secrets from one address: how many at once, and milliseconds until one more. A password may be a poor one. */
const WRONG_TOKENS = { burst: 30, every: 2_000 }
const WRONG_PASSWORDS = { burst: 5, every: 10_000 }

export function assembleCredentials(
  { config, clock, store }: Pick<Deps, 'config' | 'clock' | 'store'>,
  { records, operations, https }: { records: RecordStore; operations: Operations; https: Https },
) {
  const { WINDLASS_MEMBER: member } = config
  const guesses = {
    tokens: createGuesses({ clock, ...WRONG_TOKENS }),
    passwords: createGuesses({ clock, ...WRONG_PASSWORDS }),
  }
  const trust = createTrust({ operations, store, records, clock, guesses, https, member })
  return {
    tokens: createTokens({ records, clock, guesses: guesses.tokens }),
    certificates: createCertificates({ records, write: createWrites({ records, clock }), clock, trust }),
    trust,
  }
}
