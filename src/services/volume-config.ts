/** Config keys of custom volumes. The engine knows no sizes and no id maps: such keys are kept, as on LXD's pool `dir`. */
import type { Config } from '../contract/common.ts'
import { anything, boolean, expiry, size, type ValueCheck } from '../core/config-values.ts'
import { badRequest } from '../core/failure.ts'
import { scheduleFault } from '../core/schedule.ts'

const KEYS: Record<string, ValueCheck> = {
  'security.shifted': boolean,
  'security.unmapped': boolean,
  size,
  'snapshots.expiry': expiry,
  'snapshots.pattern': anything,
  'snapshots.schedule': scheduleFault,
  'volatile.idmap.last': anything,
  'volatile.idmap.next': anything,
}

/** Without keys that are another storage's own: LXD drops them of a backup that is imported. */
export function knownVolumeConfig(config: Config): Config {
  const known = Object.entries(config).filter(([key]) => key.startsWith('user.') || Object.hasOwn(KEYS, key))
  return Object.fromEntries(known)
}

/** Throws bad-request with LXD's texts for an unknown key or a bad value. */
export function checkVolumeConfig(name: string, config: Config): void {
  for (const [key, value] of Object.entries(config)) {
    if (value === '' || key.startsWith('user.')) continue
    const check = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined
    if (check === undefined) throw badRequest(`Invalid option for volume "${name}" option "${key}"`)
    const fault = check(value)
    if (fault !== undefined) throw badRequest(`Invalid value for volume "${name}" option "${key}": ${fault}`)
  }
}
