/**
 * What a project with `restricted` keeps from its instances, whoever asks. The keys and their defaults are LXD's;
 * what Docker Engine cannot give anyway is only kept.
 */
import type { Config, Devices } from '../contract/common.ts'
import { boolean, isTrue, oneOf, type ValueCheck } from './config-values.ts'
import { parseDevice } from './devices.ts'
import { effectiveDevices } from './expand.ts'

interface Restriction {
  check: ValueCheck
  /** In force where the project is restricted and does not say. */
  strict: string
}

const rule = (strict: string, ...others: string[]): Restriction => ({ check: oneOf(strict, ...others), strict })
const words: Restriction = { check: () => undefined, strict: '' }

const NO_IDMAP: ValueCheck = (value) =>
  value === 'isolated'
    ? 'Docker Engine has no id map per instance; use unprivileged'
    : oneOf('unprivileged', 'allow')(value)

const RESTRICTIONS: Record<string, Restriction> = {
  'restricted.backups': rule('block', 'allow'),
  'restricted.cluster.target': rule('block', 'allow'),
  'restricted.containers.interception': rule('block', 'allow', 'full'),
  'restricted.containers.lowlevel': rule('block', 'allow'),
  'restricted.containers.nesting': rule('block', 'allow'),
  'restricted.containers.privilege': { check: NO_IDMAP, strict: 'unprivileged' },
  'restricted.devices.disk': rule('managed', 'allow', 'block'),
  'restricted.devices.disk.paths': words,
  'restricted.devices.gpu': rule('block', 'allow'),
  'restricted.devices.infiniband': rule('block', 'allow'),
  'restricted.devices.nic': rule('managed', 'allow', 'block'),
  'restricted.devices.pci': rule('block', 'allow'),
  'restricted.devices.proxy': rule('block', 'allow'),
  'restricted.devices.unix-block': rule('block', 'allow'),
  'restricted.devices.unix-char': rule('block', 'allow'),
  'restricted.devices.unix-hotplug': rule('block', 'allow'),
  'restricted.devices.usb': rule('block', 'allow'),
  'restricted.networks.access': words,
  'restricted.snapshots': rule('block', 'allow'),
  'restricted.virtual-machines.lowlevel': rule('block', 'allow'),
}

/** The check of a project's key `restricted` or one below it; undefined: there is no such key. */
export function restrictionCheck(key: string): ValueCheck | undefined {
  if (key === 'restricted') return boolean
  return Object.hasOwn(RESTRICTIONS, key) ? RESTRICTIONS[key]?.check : undefined
}

/** What is in force of a key; undefined: the project is not restricted. */
export function restrictionOf(project: Config, key: keyof typeof RESTRICTIONS): string | undefined {
  if (!isTrue(project['restricted'])) return undefined
  return project[key] || RESTRICTIONS[key]?.strict
}

/** Runs the process or the container itself in another way; the others of `raw.` are the image's words said anew. */
const LOW_LEVEL = ['boot.host_shutdown_timeout', 'linux.kernel_modules', 'raw.docker.nameservers']

/** Why a project does not let an instance be so; config and devices are expanded. */
export function restrictionFault(
  project: Config,
  { config, devices }: { config: Config; devices: Devices },
): string | undefined {
  if (!isTrue(project['restricted'])) return undefined
  return configFault(project, config) ?? devicesFault(project, devices)
}

function configFault(project: Config, config: Config): string | undefined {
  const isBlocked = (key: string) => restrictionOf(project, key) !== 'allow'
  if (isTrue(config['security.privileged']) && isBlocked('restricted.containers.privilege'))
    return invalid('security.privileged', config, 'Privileged containers are forbidden')
  if (isTrue(config['security.nesting']) && isBlocked('restricted.containers.nesting'))
    return invalid('security.nesting', config, 'Container nesting is forbidden')
  const low = LOW_LEVEL.find((key) => (config[key] ?? '') !== '')
  if (low !== undefined && isBlocked('restricted.containers.lowlevel'))
    return invalid(low, config, 'Low-level settings are forbidden')
  return undefined
}

function invalid(key: string, config: Config, why: string): string {
  return `Invalid value "${config[key]}" for config "${key}": ${why}`
}

function devicesFault(project: Config, devices: Devices): string | undefined {
  for (const [name, given] of Object.entries(effectiveDevices(devices))) {
    const fault = deviceFault(project, name, given)
    if (fault !== undefined) return `Invalid device "${name}": ${fault}`
  }
  return undefined
}

function deviceFault(project: Config, name: string, given: Config): string | undefined {
  const device = parseDevice(name, given)
  switch (device.type) {
    case 'nic':
      return nicFault(project, device.network)
    case 'volume':
      return restrictionOf(project, 'restricted.devices.disk') === 'block' ? 'Disk devices are forbidden' : undefined
    case 'host':
      return hostFault(project, device.source)
    case 'proxy':
    case 'unix-char':
    case 'unix-block':
    case 'gpu':
      return allowedFault(project, device.type)
    case 'none':
    case 'root':
      return undefined
  }
}

const FORBIDDEN = {
  proxy: 'Proxy devices are forbidden',
  'unix-char': 'Unix character devices are forbidden',
  'unix-block': 'Unix block devices are forbidden',
  gpu: 'GPU devices are forbidden',
}

/** Of what is allowed as a whole or not at all. */
function allowedFault(project: Config, type: keyof typeof FORBIDDEN): string | undefined {
  return restrictionOf(project, `restricted.devices.${type}`) === 'allow' ? undefined : FORBIDDEN[type]
}

function nicFault(project: Config, network: string): string | undefined {
  if (restrictionOf(project, 'restricted.devices.nic') === 'block') return 'Network devices are forbidden'
  const allowed = project['restricted.networks.access'] ?? ''
  if (allowed === '' || listOf(allowed).includes(network)) return undefined
  return `The network "${network}" is not allowed in this project`
}

/** Paths of the host are allowed at or below those that `restricted.devices.disk.paths` lists, or anywhere. */
function hostFault(project: Config, source: string): string | undefined {
  const mode = restrictionOf(project, 'restricted.devices.disk')
  if (mode === 'block') return 'Disk devices are forbidden'
  if (mode !== 'allow') return 'Disks that are not of a storage pool are forbidden'
  const allowed = listOf(project['restricted.devices.disk.paths'] ?? '')
  const isInside = (path: string) => source === path || source.startsWith(`${path.replace(/\/+$/, '')}/`)
  return allowed.length === 0 || allowed.some(isInside) ? undefined : `The path "${source}" is forbidden`
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}
