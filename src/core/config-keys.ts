/** Every config key an instance or a profile may have: what its value must look like and how a change takes effect. */
import { isIP } from 'node:net'
import type { Config } from '../contract/common.ts'
import { badRequest } from './failure.ts'
import * as values from './config-values.ts'
import type { ValueCheck } from './config-values.ts'
import { scheduleFault } from './schedule.ts'
import { isSignal } from './signals.ts'
import { splitWords } from './words.ts'

/** Only written down; applied to the running container; by a new container in its place. */
export type Effect = 'record' | 'live' | 'recreate'

interface KeyRule {
  check: ValueCheck
  effect: Effect
  /** Needs the role admin (SECURITY.md). */
  admin: boolean
}

const rule = (check: ValueCheck, effect: Effect = 'record', admin = false): KeyRule => ({ check, effect, admin })

/** What would weaken or break isolation if it were silently dropped: only values that ask for nothing are taken. */
const refused = (reason: string, ...harmless: string[]): KeyRule =>
  rule((value) => (harmless.includes(value.toLowerCase()) ? undefined : reason), 'record', true)

const NO_LXC = 'Raw settings of LXC, QEMU, AppArmor or seccomp have no meaning on Docker Engine'
const NO_IDMAP = 'Docker Engine has no id map per instance'
const NO_SYSCALLS = 'System call policies per instance are not possible on Docker Engine'
const OFF = ['false', '0', 'no', 'off']

const words: ValueCheck = (value) =>
  values.processText(value) ?? (splitWords(value) === undefined ? 'Unterminated quote' : undefined)

const signal: ValueCheck = (value) => (isSignal(value) ? undefined : `Invalid signal "${value}"`)

const workdir: ValueCheck = (value) =>
  values.processText(value) ?? (value.startsWith('/') ? undefined : 'Path must be absolute')

const hostname: ValueCheck = (value) =>
  /^[A-Za-z0-9]([-A-Za-z0-9.]{0,61}[A-Za-z0-9])?$/.test(value) ? undefined : `Invalid host name "${value}"`

/** Addresses, separated by commas. */
const nameservers: ValueCheck = (value) => {
  const wrong = value.split(',').find((one) => isIP(one) === 0)
  return wrong === undefined ? undefined : `Not an IP address: ${wrong}`
}

const KEYS: Record<string, KeyRule> = {
  'boot.autostart': rule(values.boolean),
  'boot.autostart.delay': rule(values.integer),
  'boot.autostart.priority': rule(values.integer),
  'boot.host_shutdown_timeout': rule(values.integer),
  'boot.stop.priority': rule(values.integer),
  'cloud-init.network-config': rule(values.anything),
  'cloud-init.user-data': rule(values.anything),
  'cloud-init.vendor-data': rule(values.anything),
  'cluster.evacuate': rule(values.oneOf('auto', 'migrate', 'live-migrate', 'stop')),
  'limits.cpu': rule(values.cpuSet, 'live'),
  'limits.cpu.allowance': rule(values.cpuAllowance, 'live'),
  'limits.cpu.priority': rule(values.priority, 'live'),
  'limits.disk.priority': rule(values.priority),
  'limits.hugepages.1GB': rule(values.size),
  'limits.hugepages.1MB': rule(values.size),
  'limits.hugepages.2MB': rule(values.size),
  'limits.hugepages.64KB': rule(values.size),
  'limits.memory': rule(values.memory, 'live'),
  'limits.memory.enforce': rule(values.oneOf('soft', 'hard')),
  'limits.memory.hugepages': rule(values.boolean),
  'limits.memory.swap': rule(values.swap, 'live'),
  'limits.memory.swap.priority': rule(values.priority),
  'limits.network.priority': rule(values.priority),
  'limits.processes': rule(values.integer, 'live'),
  'linux.kernel_modules': rule(values.anything),
  'migration.incremental.memory': rule(values.boolean),
  'migration.incremental.memory.goal': rule(values.integer),
  'migration.incremental.memory.iterations': rule(values.integer),
  'migration.stateful': rule(values.boolean),
  'nvidia.driver.capabilities': rule(values.anything),
  'nvidia.require.cuda': rule(values.anything),
  'nvidia.require.driver': rule(values.anything),
  'nvidia.runtime': rule(values.boolean),
  'raw.apparmor': refused(NO_LXC),
  'raw.docker.command': rule(words, 'recreate'),
  'raw.docker.entrypoint': rule(words, 'recreate'),
  'raw.docker.hostname': rule(hostname, 'recreate'),
  'raw.docker.nameservers': rule(nameservers, 'recreate'),
  'raw.docker.stop-signal': rule(signal, 'recreate'),
  'raw.docker.user': rule(values.processText, 'recreate'),
  'raw.docker.workdir': rule(workdir, 'recreate'),
  'raw.idmap': refused(NO_IDMAP),
  'raw.lxc': refused(NO_LXC),
  'raw.qemu': refused(NO_LXC),
  'raw.qemu.conf': refused(NO_LXC),
  'raw.seccomp': refused(NO_LXC),
  'security.agent.metrics': rule(values.boolean),
  'security.csm': rule(values.boolean),
  'security.devlxd': rule(values.boolean),
  'security.devlxd.images': rule(values.boolean),
  'security.idmap.base': refused(NO_IDMAP),
  'security.idmap.isolated': refused(NO_IDMAP, ...OFF),
  'security.idmap.size': refused(NO_IDMAP),
  'security.nesting': rule(values.boolean, 'recreate', true),
  'security.privileged': rule(values.boolean, 'recreate', true),
  'security.protection.delete': rule(values.boolean),
  'security.protection.shift': rule(values.boolean),
  'security.secureboot': rule(values.boolean),
  'security.syscalls.allow': refused(NO_SYSCALLS),
  'security.syscalls.blacklist': refused(NO_SYSCALLS),
  'security.syscalls.blacklist_compat': refused(NO_SYSCALLS, ...OFF),
  'security.syscalls.blacklist_default': rule(values.boolean),
  'security.syscalls.deny': refused(NO_SYSCALLS),
  'security.syscalls.deny_compat': refused(NO_SYSCALLS, ...OFF),
  'security.syscalls.deny_default': rule(values.boolean),
  'security.syscalls.whitelist': refused(NO_SYSCALLS),
  'snapshots.expiry': rule(values.expiry),
  'snapshots.pattern': rule(values.anything),
  'snapshots.schedule': rule(scheduleFault),
  'snapshots.schedule.stopped': rule(values.boolean),
  'volatile.apply_quota': rule(values.anything),
  'volatile.apply_template': rule(values.anything),
  'volatile.base_image': rule(values.anything),
  'volatile.cloud-init.instance-id': rule(values.uuid),
  'volatile.evacuate.origin': rule(values.anything),
  'volatile.idmap.base': rule(values.anything),
  'volatile.idmap.current': rule(values.anything),
  'volatile.idmap.next': rule(values.anything),
  'volatile.last_state.idmap': rule(values.anything),
  'volatile.last_state.power': rule(values.anything),
  'volatile.last_state.ready': rule(values.boolean),
  'volatile.recreate': rule(values.boolean),
  'volatile.uuid': rule(values.uuid),
  'volatile.uuid.generation': rule(values.uuid),
  'volatile.vsock_id': rule(values.integer),
}

/** The key's pattern → its rule, for keys that hold a name of the user's or of a device's. */
const PATTERNS: [RegExp, KeyRule][] = [
  [/^user\../s, rule(values.anything)],
  [/^image\../s, rule(values.anything)],
  [/^environment\.[^=\s]+$/, rule(values.processText, 'recreate')],
  [/^limits\.kernel\.[a-z]+$/, rule(values.anything)],
  [/^linux\.sysctl\..+/, rule(values.anything)],
  [/^security\.syscalls\.intercept\.[a-z_.]+$/, refused(NO_SYSCALLS, ...OFF)],
  [/^volatile\.[^.]+\.hwaddr$/, rule(values.hwaddr, 'recreate')],
  [
    /^volatile\.[^.]+\.(apply_quota|ceph_rbd|created|driver|host_name|id|ip_address|last_state\..+|mtu|name|parent|spoofcheck|uuid|vlan)$/,
    rule(values.anything),
  ],
]

function ruleOf(key: string): KeyRule | undefined {
  if (Object.hasOwn(KEYS, key)) return KEYS[key]
  return PATTERNS.find(([pattern]) => pattern.test(key))?.[1]
}

/**
 * Checks an instance's own config. `prefix` is what LXD says before the fault: `Invalid config: ` of an update,
 * `Failed creating instance record: ` of a creation. Throws bad-request.
 */
export function checkInstanceConfig(config: Config, prefix = ''): void {
  for (const [key, value] of Object.entries(config)) {
    const known = ruleOf(key)
    if (known === undefined) throw badRequest(`${prefix}Unknown configuration key: ${key}`)
    const fault = value === '' ? undefined : known.check(value)
    if (fault !== undefined) throw badRequest(prefix + withKey(key, fault))
  }
}

// LXD's own texts of these two name no key; all others are clearer with it.
const BARE = ['Invalid CPU limit syntax', 'Invalid value: ']

function withKey(key: string, fault: string): string {
  return BARE.some((text) => fault.startsWith(text)) ? fault : `Invalid value for config key "${key}": ${fault}`
}

/** A profile's config: what belongs to one instance alone is refused. Throws bad-request. */
export function checkProfileConfig(config: Config, prefix = ''): void {
  for (const key of Object.keys(config)) {
    if (key.startsWith('volatile.')) throw badRequest(`${prefix}Volatile keys can only be set on instances`)
    if (key.startsWith('image.')) throw badRequest(`${prefix}Image keys can only be set on instances`)
  }
  checkInstanceConfig(config, prefix)
}

/** Whether setting this key to this value needs the role admin. */
export function needsAdmin(key: string, value: string): boolean {
  const known = ruleOf(key)
  return value !== '' && (known === undefined || known.admin) && !OFF.includes(value.toLowerCase())
}

const WEIGHT: Record<Effect, number> = { record: 0, live: 1, recreate: 2 }

/** How the way from one expanded config to another takes effect as a whole, and which keys change. */
export function configChange(before: Config, after: Config): { effect: Effect; keys: string[] } {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted()
  const changed = keys.filter((key) => (before[key] ?? '') !== (after[key] ?? ''))
  const effects = changed.map((key) => effectOf(key, after[key] ?? ''))
  return { effect: strongest(effects), keys: changed }
}

/** The strongest effect alone. */
export function changeEffect(before: Config, after: Config): Effect {
  return configChange(before, after).effect
}

function effectOf(key: string, value: string): Effect {
  // A client that puts an instance back without its volatile keys does not ask for another address.
  if (key.startsWith('volatile.') && value === '') return 'record'
  return ruleOf(key)?.effect ?? 'record'
}

/** Of several effects the one that covers all. */
export function strongest(effects: Effect[]): Effect {
  return effects.reduce((most, effect) => (WEIGHT[effect] > WEIGHT[most] ? effect : most), 'record')
}

/** What LXD keeps although a client's PUT leaves it out: the volatile keys of before, where the new config says nothing. */
export function keepVolatile(before: Config, after: Config): Config {
  const kept = Object.entries(before).filter(([key]) => key.startsWith('volatile.') && after[key] === undefined)
  return { ...Object.fromEntries(kept), ...after }
}

/**
 * A client that refreshes a copy puts the source's config on it, with what makes the source itself: the uuid stays, and
 * a MAC that one of the others has is not taken over.
 */
export function keepIdentity(now: Config, given: Config, others: readonly Config[]): Config {
  const macs = new Set(
    others.flatMap((config) =>
      Object.keys(config)
        .filter(isMac)
        .map((key) => config[key]),
    ),
  )
  const isTheirs = (key: string, value: string) => key === 'volatile.uuid' || (isMac(key) && macs.has(value))
  return Object.fromEntries(
    Object.entries(given).flatMap(([key, value]) => {
      if (value === now[key] || !isTheirs(key, value)) return [[key, value]]
      return now[key] === undefined ? [] : [[key, now[key]]]
    }),
  )
}

const isMac = (key: string): boolean => /^volatile\.[^.]+\.hwaddr$/.test(key)

// What makes an instance itself and no other: a copy that goes back to a snapshot taken over from its source keeps them.
const IDENTITY = /^volatile\.(uuid|[^.]+\.hwaddr)$/

/** The config of a snapshot for an instance that goes back to it: everything but the instance's identity. */
export function restoredConfig(now: Config, snapshot: Config): Config {
  const own = Object.entries(now).filter(([key]) => IDENTITY.test(key))
  const taken = Object.entries(snapshot).filter(([key]) => !IDENTITY.test(key))
  return Object.fromEntries([...taken, ...own])
}
