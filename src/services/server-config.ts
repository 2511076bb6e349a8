/** The server's settings as clients of LXD see and change them. */
import type { Config } from '../contract/common.ts'
import type { ServerPut, ServerView } from '../contract/server.ts'
import { badRequest } from '../core/failure.ts'
import { CACHE_EXPIRY, UPDATE_CACHED, UPDATE_INTERVAL } from './image-settings.ts'
import { hashPassword } from './trust-password.ts'

const HTTPS_ADDRESS = 'core.https_address'
/** Kept as a hash, shown as `true`. */
export const TRUST_PASSWORD = 'core.trust_password'
/** How long a trust token is good for: `15M`, `1d 12H`; without it until it is used or revoked. */
export const TOKEN_EXPIRY = 'core.remote_token_expiry'

export interface Change {
  given: NonNullable<ServerPut['config']>
  /** What is kept now. */
  before: Config
  /** The address of the HTTPS listener; undefined: there is none. */
  address: string | undefined
  /** PUT: what is not given is unset. */
  replace: boolean
  /** The client has read the settings before: what it leaves out then it means to unset. */
  hasRead: boolean
}

/** What is to be kept after a change. Throws bad-request for what is not known or cannot be set here. */
export async function changeConfig({ given, before, address, replace, hasRead }: Change): Promise<Config> {
  const { [HTTPS_ADDRESS]: wanted, [TRUST_PASSWORD]: password, ...others } = given
  const isUnset = replace && hasRead && wanted === undefined && address !== undefined
  if (isUnset || (wanted !== undefined && wanted !== (address ?? '')))
    throw badRequest(`cannot set '${HTTPS_ADDRESS}': the listener is where the server's setting WINDLASS_HTTPS says`)
  for (const [key, value] of Object.entries(others)) check(key, value)
  const hashed = await passwordAfter(password, before[TRUST_PASSWORD], replace)
  const { [TRUST_PASSWORD]: _old, ...kept } = before
  return withoutEmpty({
    ...(replace ? {} : kept),
    ...mapToText(others),
    ...(hashed !== undefined && { [TRUST_PASSWORD]: hashed }),
  })
}

/** As it is shown: with where we listen, and without any secret. */
export function showConfig(kept: Config, address: string | undefined): NonNullable<ServerView['config']> {
  return {
    ...(address !== undefined && { [HTTPS_ADDRESS]: address }),
    ...kept,
    ...(kept[TRUST_PASSWORD] !== undefined && { [TRUST_PASSWORD]: true }),
  }
}

/** Clients send back the `true` that they have read. */
async function passwordAfter(
  given: string | boolean | undefined,
  before: string | undefined,
  replace: boolean,
): Promise<string | undefined> {
  if (given === true) return before
  if (given === undefined) return replace ? undefined : before
  if (given === false || given === '') return undefined
  return hashPassword(given)
}

function check(key: string, value: string | boolean): void {
  if (key.startsWith('user.')) return
  const form = Object.hasOwn(FORMS, key) ? FORMS[key] : undefined
  if (form === undefined) throw badRequest(`cannot set '${key}' to '${value}': unknown key`)
  if (typeof value !== 'string' || (value !== '' && !form.pattern.test(value)))
    throw badRequest(`cannot set '${key}' to '${value}': ${form.wanted}`)
}

const FORMS: Record<string, { pattern: RegExp; wanted: string }> = {
  [TOKEN_EXPIRY]: { pattern: /^([0-9]+[MHdwmy]( |$))*$/, wanted: 'a time such as "15M" or "1d 12H" is wanted' },
  [CACHE_EXPIRY]: { pattern: /^[0-9]{1,6}$/, wanted: 'a number of days is wanted' },
  [UPDATE_INTERVAL]: { pattern: /^[0-9]{1,6}$/, wanted: 'a number of hours is wanted' },
  [UPDATE_CACHED]: { pattern: /^(true|false|1|0|yes|no|on|off)$/i, wanted: '"true" or "false" is wanted' },
}

function mapToText(config: Record<string, string | boolean>): Config {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, String(value)]))
}

/** LXD drops a key that is set to nothing. */
function withoutEmpty(config: Config): Config {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== ''))
}
