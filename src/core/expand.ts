/** What an instance's profiles and its own settings come to. */
import type { Config, Devices } from '../contract/common.ts'
import type { InstanceRecord, ProfileRecord } from '../contract/records.ts'

/** Profiles in the instance's order: a later one wins over an earlier one, the instance over all. */
export function expandConfig(profiles: Pick<ProfileRecord, 'config'>[], config: Config): Config {
  return sorted(Object.assign({}, ...profiles.map((profile) => profile.config), config))
}

/**
 * A device replaces the whole device of the same name. One of type `none` stays in the result, as in LXD's
 * `expanded_devices`: it takes the place of an inherited one and means no device (`effectiveDevices` drops it).
 */
export function expandDevices(profiles: Pick<ProfileRecord, 'devices'>[], devices: Devices): Devices {
  return sorted(Object.assign({}, ...profiles.map((profile) => profile.devices), devices))
}

/** Expanded devices without those of type `none`. */
export function effectiveDevices(expanded: Devices): Devices {
  return Object.fromEntries(Object.entries(expanded).filter(([, device]) => device['type'] !== 'none'))
}

/** The devices that an instance really has; `profiles`: all of the project that its profiles are in. */
export function ownAndInherited(
  { profiles, devices }: Pick<InstanceRecord, 'profiles' | 'devices'>,
  known: ProfileRecord[],
): Devices {
  return effectiveDevices(expandDevices(pickProfiles(profiles, known).profiles, devices))
}

/** Entries whose key begins with the prefix, without it; empty values are as good as absent. */
export function prefixed(config: Config, prefix: string): Config {
  const own = Object.entries(config).filter(([key, value]) => key.startsWith(prefix) && value !== '')
  return Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value]))
}

/** LXD drops a key whose value is empty: that is how `key=` unsets it. */
export function withoutEmpty(config: Config): Config {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== ''))
}

/** LXD drops a device's property that is set to nothing: so it is unset. */
export function withoutEmptyOptions(devices: Devices): Devices {
  return Object.fromEntries(Object.entries(devices).map(([name, device]) => [name, withoutEmpty(device)]))
}

/** LXD prints maps in the order of their keys; so do we, and equal maps become equal text. */
function sorted<Value>(map: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))))
}

/** The profiles named by an instance, in its order, from all of its project; undefined names the first that is missing. */
export function pickProfiles(
  names: string[],
  known: ProfileRecord[],
): { profiles: ProfileRecord[]; missing: string | undefined } {
  const byName = new Map(known.map((profile) => [profile.name, profile]))
  const profiles = names.map((name) => byName.get(name))
  const missing = names.find((name) => !byName.has(name))
  return { profiles: profiles.filter((profile) => profile !== undefined), missing }
}
