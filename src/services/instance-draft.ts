/** The record of an instance that is to be made, from the request and from what it is made of. */
import { NEVER } from '../contract/common.ts'
import type { InstancesPost } from '../contract/instance.ts'
import type { ImageRecord, InstanceRecord, LeaseRecord, SnapshotRecord } from '../contract/records.ts'
import { isDerivedMac, macOf } from '../core/addresses.ts'
import { withoutEmpty, withoutEmptyOptions } from '../core/expand.ts'
import { withTrigger } from '../core/guest.ts'
import { madeFrom } from '../core/instance-image.ts'

/** What is decided before the request is looked at. */
export interface Basis {
  uuid: string
  project: string
  name: string
  member: string
  /** LXD's name of the architecture of an instance without an image. */
  architecture: string
  at: string
}

/** From an image, or from nothing. */
export function draftOf(basis: Basis, body: InstancesPost, image: ImageRecord | undefined): InstanceRecord {
  const { uuid, at, ...placed } = basis
  const draft: InstanceRecord = {
    v: 1,
    rev: 0,
    uuid,
    ...placed,
    container: '',
    image: '',
    engineImage: '',
    boot: 'application',
    description: body.description ?? '',
    config: { ...withoutEmpty(body.config ?? {}), 'volatile.uuid': uuid },
    devices: withoutEmptyOptions(body.devices ?? {}),
    profiles: body.profiles ?? ['default'],
    ephemeral: body.ephemeral ?? false,
    created_at: at,
    last_used_at: NEVER,
    power: 'stopped',
    volumes: [],
  }
  return image === undefined ? draft : madeFrom(draft, image)
}

/** A copy takes over what the request leaves out; what is the source's alone (addresses, identity) it does not. */
export function copyDraft(
  basis: Basis,
  body: InstancesPost,
  from: Pick<
    InstanceRecord | SnapshotRecord,
    'config' | 'devices' | 'profiles' | 'description' | 'image' | 'engineImage' | 'boot' | 'architecture' | 'metadata'
  >,
): InstanceRecord {
  const { image, engineImage, boot, architecture, metadata } = from
  const draft = draftOf(basis, { ...body, profiles: body.profiles ?? from.profiles }, undefined)
  const inherited = Object.entries(from.config).filter(
    ([key]) => !key.startsWith('volatile.') || key === 'volatile.base_image',
  )
  const copied: InstanceRecord = {
    ...draft,
    image,
    engineImage,
    boot,
    architecture,
    description: body.description || from.description,
    config: { ...Object.fromEntries(inherited), ...draft.config },
    devices: withoutEmptyOptions(body.devices ?? from.devices),
    ...(metadata !== undefined && { metadata }),
  }
  return withTrigger(copied, 'copy')
}

/** Without the MACs that followed from addresses which these take the place of. */
export function withoutMacs(draft: InstanceRecord, leases: LeaseRecord[]): InstanceRecord {
  const keys = new Set(leases.map(({ device }) => `volatile.${device}.hwaddr`))
  const kept = Object.entries(draft.config).filter(([key, mac]) => !keys.has(key) || !isDerivedMac(mac))
  return { ...draft, config: Object.fromEntries(kept) }
}

/** LXD keeps a nic's MAC in the instance's config, where clients look for it. */
export function withAddresses(draft: InstanceRecord, leases: LeaseRecord[]): InstanceRecord {
  const macs = leases.map((lease) => [`volatile.${lease.device}.hwaddr`, macOf(lease.name)])
  return { ...draft, config: { ...Object.fromEntries(macs), ...draft.config } }
}

const FIRST = [
  'bold',
  'calm',
  'deft',
  'eager',
  'fair',
  'glad',
  'keen',
  'neat',
  'proud',
  'quick',
  'sound',
  'tidy',
  'warm',
  'wise',
]
const SECOND = [
  'anchor',
  'beacon',
  'bollard',
  'capstan',
  'davit',
  'fender',
  'galley',
  'halyard',
  'keel',
  'mast',
  'rudder',
  'sheave',
]

/** A name for who gives none, drawn from a random uuid. */
export function pickName(uuid: string): string {
  const number = Number.parseInt(uuid.slice(0, 8), 16)
  return `${FIRST[number % FIRST.length]}-${SECOND[Math.floor(number / 64) % SECOND.length]}-${uuid.slice(0, 4)}`
}
