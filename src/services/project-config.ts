/** Config keys of projects. What would be promised in vain is refused with the reason. */
import type { Config } from '../contract/common.ts'
import { badRequest } from '../core/failure.ts'
import { restrictionCheck } from '../core/restrictions.ts'
import { anything, boolean, isTrue, memory, oneOf, type ValueCheck } from '../core/config-values.ts'

const count: ValueCheck = (value) =>
  /^[0-9]{1,9}$/.test(value) ? undefined : `Invalid value "${value}", not a positive integer`

const never =
  (reason: string): ValueCheck =>
  (value) =>
    boolean(value) ?? (isTrue(value) ? reason : undefined)

const refused =
  (reason: string): ValueCheck =>
  () =>
    reason

const compression = oneOf('bzip2', 'gzip', 'lz4', 'lzma', 'xz', 'zstd', 'none')

const KEYS: Record<string, ValueCheck> = {
  'backups.compression_algorithm': compression,
  'features.images': boolean,
  'features.networks': never('Networks of Docker Engine are shared by all projects'),
  'features.networks.zones': never('Network zones are not possible on Docker Engine'),
  'features.profiles': boolean,
  'features.storage.buckets': never('Storage buckets are not possible on Docker Engine'),
  'features.storage.volumes': boolean,
  'images.auto_update_cached': boolean,
  'images.auto_update_interval': count,
  'images.compression_algorithm': compression,
  'images.default_architecture': anything,
  'images.remote_cache_expiry': count,
  'limits.containers': count,
  'limits.cpu': count,
  'limits.disk': refused('Docker Engine cannot limit the space of containers and volumes'),
  'limits.instances': count,
  'limits.memory': (value) => (value.endsWith('%') ? "Value can't be a percentage" : memory(value)),
  'limits.networks': count,
  'limits.processes': count,
  'limits.virtual-machines': count,
}

/** What a project has of its own unless it is told to share that of `default`; shown in its config. */
const GIVEN: Config = { 'features.images': 'true', 'features.profiles': 'true', 'features.storage.volumes': 'true' }

/** The default project's networks are everyone's. */
const GIVEN_DEFAULT: Config = { ...GIVEN, 'features.networks': 'true' }

/**
 * Checks a client's config and adds what is always there: features as they are in `now`, a new project's own otherwise.
 * Throws bad-request with LXD's text.
 */
export function projectConfig(project: string, config: Config, now: Config = {}): Config {
  const features = Object.entries(now).filter(([key]) => key.startsWith('features.'))
  const given = { ...(project === 'default' ? GIVEN_DEFAULT : GIVEN), ...Object.fromEntries(features) }
  const written = Object.entries(config).filter(([key, value]) => value !== '' && value !== given[key])
  for (const [key, value] of written) {
    if (key.startsWith('user.')) continue
    if (project === 'default' && key.startsWith('features.'))
      throw badRequest("You can't change the features of the default project")
    const fault = checkOf(project, key)(value)
    if (fault !== undefined) throw badRequest(`Invalid project configuration key "${key}" value: ${fault}`)
  }
  return { ...given, ...Object.fromEntries(written) }
}

function checkOf(project: string, key: string): ValueCheck {
  if (key === 'limits.networks' && project !== 'default')
    return refused('Networks of Docker Engine are shared by all projects, and belong to the project default')
  const check = (Object.hasOwn(KEYS, key) ? KEYS[key] : undefined) ?? restrictionCheck(key)
  if (check !== undefined) return check
  if (key.startsWith('restricted.')) return refused('Not possible on Docker Engine')
  throw badRequest(`Invalid project configuration key "${key}"`)
}
