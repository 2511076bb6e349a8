/** What an instance is to become: the request, its profiles and its image, checked as a whole before anything is accepted. */
import type { Config, Devices, Role } from '../contract/common.ts'
import type { InstanceRecord, LeaseRecord, ProfileRecord } from '../contract/records.ts'
import { checkInstanceConfig } from '../core/config-keys.ts'
import { toContainerSpec } from '../core/container-spec.ts'
import { checkDevices, checkExpandedDevices, requireRoot } from '../core/devices.ts'
import type { OwnLabels } from '../core/container.ts'
import type { Engine } from '../core/engine.ts'
import { expandConfig, expandDevices, pickProfiles } from '../core/expand.ts'
import { badRequest, notFound } from '../core/failure.ts'
import { NO_GPU } from '../core/host-devices.ts'
import { checkPolicy } from '../core/policy.ts'
import type { RecordReader } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'

export type Drafts = ReturnType<typeof createDrafts>

/** The parts of an instance that a user writes. */
export interface Wanted {
  name?: string
  config: Config
  devices: Devices
  profiles: string[]
}

/** Config and devices with the profiles' under them, and those profiles. */
export interface Expanded {
  config: Config
  devices: Devices
  inherited: ProfileRecord[]
}

/** What it is for decides LXD's words, and whether a root disk must be there: LXD asks for one only at the creation. */
export type Purpose = 'create' | 'change'

const WORDS = {
  create: {
    prefix: 'Failed creating instance record: ',
    missing: (profile: string) => `Requested profile "${profile}" doesn't exist`,
  },
  change: { prefix: 'Invalid config: ', missing: () => 'Profile not found' },
}

const NO_LABELS: OwnLabels = {
  deployment: '',
  role: 'instance',
  uuid: '',
  project: '',
  operation: '',
  step: '',
  origin: '',
}

export function createDrafts(deps: { records: RecordReader; hosts: Hosts }) {
  /** Every fault in it is a bad-request with LXD's text. */
  async function expand(project: string, wanted: Wanted, purpose: Purpose = 'change'): Promise<Expanded> {
    const words = WORDS[purpose]
    checkInstanceConfig(wanted.config, words.prefix)
    checkDevices(wanted.devices)
    const { profiles, missing } = pickProfiles(wanted.profiles, await profilesOf(project))
    if (missing !== undefined) throw notFound(words.missing(missing))
    if (new Set(wanted.profiles).size < profiles.length) throw badRequest('Duplicate profile found in request')
    const devices = expandDevices(profiles, wanted.devices)
    checkExpandedDevices(devices, wanted.name)
    if (purpose === 'create') requireRoot(devices, `${words.prefix}Failed initialising instance: `)
    return { config: expandConfig(profiles, wanted.config), devices, inherited: profiles }
  }

  async function profilesOf(project: string) {
    return deps.records.list('profile', await homeOf(deps.records, project, 'profile'))
  }

  /** Would this role be allowed, and this engine able, to make it? The worker asks again with what it really makes. */
  async function check(role: Role, instance: InstanceRecord, leases: LeaseRecord[]): Promise<void> {
    const { config, devices } = await expand(instance.project, instance)
    const [networks, volumes, own] = await Promise.all([
      deps.records.list('network'),
      deps.records.list('volume', await homeOf(deps.records, instance.project, 'volume')),
      deps.records.owned('lease', instance.uuid),
    ])
    const spec = toContainerSpec({
      instance,
      config,
      devices,
      image: undefined,
      networks,
      leases: [...own, ...leases],
      volumes,
      host: await deps.hosts.of(instance.member),
      labels: NO_LABELS,
      name: instance.name,
      fresh: [],
    })
    checkPolicy(role, spec, config)
    const [gpu] = spec.gpus
    if (gpu !== undefined && !(await deps.hosts.hasGpus(instance.member)))
      throw badRequest(`Failed to start device "${gpu.device}": ${NO_GPU}`)
  }

  /**
   * The same for a snapshot that comes from outside: would this role be allowed to go back to it? Addresses and volumes
   * are looked for only then, and profiles that are gone by now count no more. Config and devices with the profiles' under them.
   */
  async function checkKept(role: Role, instance: InstanceRecord): Promise<{ config: Config; devices: Devices }> {
    checkInstanceConfig(instance.config, WORDS.create.prefix)
    checkDevices(instance.devices)
    const { profiles } = pickProfiles(instance.profiles, await profilesOf(instance.project))
    const config = expandConfig(profiles, instance.config)
    const devices = expandDevices(profiles, instance.devices)
    const judged = Object.entries(devices).filter(
      ([, { type, pool = '', path }]) => type !== 'nic' && (pool === '' || path === '/'),
    )
    const spec = toContainerSpec({
      instance,
      config,
      devices: Object.fromEntries(judged),
      image: undefined,
      networks: [],
      leases: [],
      volumes: [],
      host: await deps.hosts.of(instance.member),
      labels: NO_LABELS,
      name: instance.name,
      fresh: [],
    })
    checkPolicy(role, spec, config)
    return { config, devices }
  }

  return { expand, check, checkKept }
}

/** The figures of each engine's machine, asked once; when it cannot be asked, what refuses nothing. */
export interface Hosts {
  of(member: string): Promise<{ cpus: number; memoryBytes: number }>
  /** Asked each time. */
  hasGpus(member: string): Promise<boolean>
}

const UNKNOWN_HOST = { cpus: 4096, memoryBytes: Number.MAX_SAFE_INTEGER }

export function createHosts(engines: ReadonlyMap<string, Engine>): Hosts {
  const known = new Map<string, { cpus: number; memoryBytes: number }>()
  async function of(member: string) {
    const host = known.get(member)
    if (host !== undefined) return host
    try {
      const info = await engines.get(member)?.info(AbortSignal.timeout(1_000))
      if (info === undefined) return UNKNOWN_HOST
      known.set(member, { cpus: info.cpus, memoryBytes: info.memoryBytes })
      return info
    } catch {
      // New operations are accepted while the engine is away; the worker checks with the true figures.
      return UNKNOWN_HOST
    }
  }
  async function hasGpus(member: string): Promise<boolean> {
    const found = await engines
      .get(member)
      ?.gpus(AbortSignal.timeout(5_000))
      .catch(() => undefined)
    return found !== 'none'
  }
  return { of, hasGpus }
}
