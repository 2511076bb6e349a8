/** Profiles: shared configuration and devices. Changing one that is in use changes the instances with it. */
import type { Config, Devices } from '../contract/common.ts'
import type { ProfilePatch, ProfilePut, ProfilesPost } from '../contract/profile.ts'
import type { InstanceRecord, ProfileRecord } from '../contract/records.ts'
import { checkProfileConfig } from '../core/config-keys.ts'
import { isTrue } from '../core/config-values.ts'
import { toHostDevice } from '../core/container-spec.ts'
import { hasRoot, isUnix, parseDevice } from '../core/devices.ts'
import type { Mount } from '../core/container.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { effectiveDevices, ownAndInherited, withoutEmpty, withoutEmptyOptions } from '../core/expand.ts'
import { badRequest, forbidden, notFound } from '../core/failure.ts'
import { parseProfileName } from '../core/names.ts'
import { checkPolicy } from '../core/policy.ts'
import type { Clock, RecordChange, RecordReader } from '../core/ports.ts'
import { homeOf, homesOf, listSharing, sharersOf } from '../core/project-features.ts'
import { mayEnter, requireHome, requireProject, requireRole, type Caller } from './caller.ts'
import { keepFeatures, loadProject } from './homes.ts'
import { instanceUrl } from './instance-urls.ts'
import type { Where } from './instance-views.ts'
import { profileUrl } from './noun-urls.ts'
import { isFollowed, type ProfileEffects } from './profile-effects.ts'
import { networkOf, type UsedBy } from './used-by.ts'
import type { Write } from './writes.ts'

export interface ProfilesDeps {
  records: RecordReader
  write: Write
  usedBy: UsedBy
  effects: ProfileEffects
  clock: Clock
}

/** A profile with the URLs of the instances that have it. */
export interface ProfileView {
  record: ProfileRecord
  usedBy: string[]
}

export type Profiles = ReturnType<typeof createProfiles>

const DEFAULT = 'default'

export function createProfiles({ records, write, usedBy, effects, clock }: ProfilesDeps) {
  /** Profiles of one project, or of every project the caller may enter. */
  async function list(caller: Caller, project: string | undefined): Promise<ProfileView[]> {
    if (project !== undefined && !mayEnter(caller, project)) return []
    const home = project && (await homeOf(records, project, 'profile'))
    const [profiles, homes, instances] = await Promise.all([
      records.list('profile', home),
      homesOf(records, 'profile'),
      home ? listSharing(records, 'profile', home, 'instance') : records.list('instance'),
    ])
    const byHome = Map.groupBy(instances, (instance) => homes(instance.project))
    return profiles
      .filter((record) => home !== undefined || mayEnter(caller, record.project))
      .map((record) => {
        const users = (byHome.get(record.project) ?? []).filter((instance) => instance.profiles.includes(record.name))
        return { record, usedBy: urlsOf(caller, users) }
      })
  }

  async function get(caller: Caller, where: Where): Promise<ProfileView> {
    const record = await load(caller, where)
    const users = await usersOf(record)
    return { record, usedBy: urlsOf(caller, users) }
  }

  async function create(caller: Caller, project: string, body: ProfilesPost): Promise<ProfileRecord> {
    requireRole(caller, 'operator')
    requireProject(caller, project)
    const begun = await loadProject(records, project)
    const home = await homeOf(records, project, 'profile')
    requireHome(caller, home)
    const name = parseProfileName(body.name ?? '')
    const content = await checked(caller, body.config ?? {}, body.devices ?? {})
    const description = body.description ?? ''
    const record: ProfileRecord = { v: 1, rev: 0, uuid: clock.uuid(), project: home, name, description, ...content }
    await write(caller, async () => ({
      changes: [{ change: 'put', noun: 'profile', record }, ...(await keepFeatures(records, begun))],
      taken: `Error inserting "${name}" into database: The profile already exists`,
      event: event('profile-created', record),
      unlessBusy: await networksOf(record),
    }))
    return record
  }

  /** `PUT`: everything a client writes; waits until the instances with it have followed. */
  async function update(caller: Caller, where: Where, body: ProfilePut, ifMatch?: string): Promise<void> {
    const record = await writable(caller, where, ifMatch)
    await change(caller, record, {
      description: body.description ?? '',
      config: body.config ?? {},
      devices: body.devices ?? {},
    })
  }

  /** `PATCH`: merged into what is there; a device that is given replaces the one of its name. */
  async function patch(caller: Caller, where: Where, body: ProfilePatch, ifMatch?: string): Promise<void> {
    const record = await writable(caller, where, ifMatch)
    await change(caller, record, {
      description: body.description ?? record.description,
      config: { ...record.config, ...body.config },
      devices: { ...record.devices, ...body.devices },
    })
  }

  async function change(
    caller: Caller,
    now: ProfileRecord,
    wanted: Pick<ProfileRecord, 'description' | 'config' | 'devices'>,
  ) {
    const next = { ...now, description: wanted.description, ...(await checked(caller, wanted.config, wanted.devices)) }
    if (losesRoot(await usersOf(now), await records.list('profile', now.project), next))
      throw badRequest("At least one instance relies on this profile's root disk device")
    const plan = await effects.plan(caller, now, next)
    await write(caller, {
      changes: [{ change: 'put', noun: 'profile', record: next }, ...plan.room],
      event: event('profile-updated', next),
      unlessBusy: [...plan.effects.map(({ instance }) => `instance:${instance.uuid}`), ...(await networksOf(next))],
      // What is just being made with it would not follow.
      unlessUsed: isFollowed(now, next) ? [`profile:${now.uuid}`] : [],
    })
    await effects.apply(caller, now, next, plan.effects)
  }

  /** The instances, snapshots and images that name it are changed with it, in the same script. */
  async function rename(caller: Caller, where: Where, newName: string): Promise<ProfileRecord> {
    const record = await writable(caller, where, undefined)
    const name = parseProfileName(newName)
    if (record.name === DEFAULT) throw forbidden('The "default" profile cannot be renamed')
    if (await isComing(record)) throw badRequest('Profile is currently in use')
    const users = await usersOf(record)
    const next = { ...record, name }
    await write(caller, {
      changes: [{ change: 'put', noun: 'profile', record: next }, ...(await renamed(record, name))],
      taken: `Name "${name}" already in use`,
      event: { ...event('profile-renamed', next), context: { old_name: record.name } },
      unlessBusy: users.map(({ uuid }) => `instance:${uuid}`),
      unlessUsed: [`profile:${record.uuid}`],
    })
    return next
  }

  async function renamed({ project, name: old }: ProfileRecord, name: string): Promise<RecordChange[]> {
    const [homes, instances, snapshots, images] = await Promise.all([
      homesOf(records, 'profile'),
      records.list('instance'),
      records.list('snapshot'),
      records.list('image'),
    ])
    const names = (profiles: string[]) => profiles.map((profile) => (profile === old ? name : profile))
    const has = (record: { project: string; profiles: string[] }) =>
      homes(record.project) === project && record.profiles.includes(old)
    return [
      ...instances.filter(has).map((record): RecordChange => {
        return { change: 'put', noun: 'instance', record: { ...record, profiles: names(record.profiles) } }
      }),
      ...snapshots.filter(has).map((record): RecordChange => {
        return { change: 'put', noun: 'snapshot', record: { ...record, profiles: names(record.profiles) } }
      }),
      ...images.filter(has).map((record): RecordChange => {
        return { change: 'put', noun: 'image', record: { ...record, profiles: names(record.profiles) } }
      }),
    ]
  }

  async function remove(caller: Caller, where: Where): Promise<void> {
    const record = await writable(caller, where, undefined)
    if (record.name === DEFAULT) throw forbidden('The "default" profile cannot be deleted')
    // Whatever has ended when it is looked for is in the records that are read after it.
    if ((await isComing(record)) || (await usersOf(record)).length > 0) throw badRequest('Profile is currently in use')
    await write(caller, {
      changes: [{ change: 'remove', noun: 'profile', uuid: record.uuid, rev: record.rev }],
      event: event('profile-deleted', record),
      unlessUsed: [`profile:${record.uuid}`],
    })
  }

  async function load(caller: Caller, where: Where): Promise<ProfileRecord> {
    requireProject(caller, where.project)
    const record = await records.find('profile', await homeOf(records, where.project, 'profile'), where.name)
    if (record === undefined) throw notFound('Profile not found')
    return record
  }

  async function writable(caller: Caller, where: Where, ifMatch: string | undefined): Promise<ProfileRecord> {
    requireRole(caller, 'operator')
    const record = await load(caller, where)
    requireHome(caller, record.project)
    checkIfMatch(ifMatch, etagOf(record.uuid, record.rev))
    return record
  }

  async function usersOf({ project, name }: ProfileRecord) {
    const instances = await listSharing(records, 'profile', project, 'instance')
    return instances.filter(({ profiles }) => profiles.includes(name))
  }

  async function isComing({ project, name }: ProfileRecord): Promise<boolean> {
    const projects = await sharersOf(records, project, 'profile')
    const coming = await Promise.all(projects.map((one) => usedBy.drafts(one)))
    return coming.flat().some(({ profiles }) => profiles.includes(name))
  }

  /** What the caller may put into a profile; without the keys that are set to nothing. */
  async function checked(
    caller: Caller,
    given: Config,
    devices: Devices,
  ): Promise<{ config: Config; devices: Devices }> {
    const config = withoutEmpty(given)
    checkProfileConfig(config)
    const parsed = Object.entries(devices).map(([name, device]) => ({ name, device: parseDevice(name, device) }))
    const known = new Set((await records.list('network')).map(({ name }) => name))
    for (const { name, device } of parsed)
      if (device.type === 'nic' && !known.has(device.network))
        throw badRequest(`Device validation failed for "${name}": Network "${device.network}" not found`)
    const mounts = parsed.flatMap(({ device }): Mount[] =>
      device.type === 'host' ? [{ ...device, type: 'bind', device: '' }] : [],
    )
    const spec = {
      mounts,
      privileged: isTrue(config['security.privileged']),
      nesting: isTrue(config['security.nesting']),
      hostDevices: parsed.flatMap(({ name, device }) => (isUnix(device) ? [toHostDevice(name, device)] : [])),
      gpus: parsed.flatMap(({ name, device }) => (device.type === 'gpu' ? [{ device: name, id: device.id }] : [])),
    }
    checkPolicy(caller.role, spec, config)
    return { config, devices: withoutEmptyOptions(devices) }
  }

  /** The keys of the networks it names: one that is being deleted must not gain a user. */
  async function networksOf({ devices }: ProfileRecord): Promise<string[]> {
    const names = Object.values(effectiveDevices(devices))
      .filter((device) => device['type'] === 'nic')
      .map(networkOf)
    if (names.length === 0) return []
    return (await records.list('network'))
      .filter(({ name }) => names.includes(name))
      .map(({ uuid }) => `network:${uuid}`)
  }

  return { list, get, create, update, patch, rename, remove }
}

/**
 * Whether an instance has its root disk from nowhere but what the profile was. LXD keeps it; so an edit with nothing in
 * it, as a broken pipe gives, does not empty the profile that all use.
 */
function losesRoot(instances: InstanceRecord[], known: ProfileRecord[], next: ProfileRecord): boolean {
  const later = known.map((profile) => (profile.uuid === next.uuid ? next : profile))
  return instances.some((one) => hasRoot(ownAndInherited(one, known)) && !hasRoot(ownAndInherited(one, later)))
}

/** Of instances in projects that the caller may enter. */
function urlsOf(caller: Caller, instances: InstanceRecord[]): string[] {
  return instances.filter(({ project }) => mayEnter(caller, project)).map((instance) => instanceUrl(instance))
}

function event(action: string, record: ProfileRecord) {
  return { action, source: profileUrl(record), project: record.project }
}
