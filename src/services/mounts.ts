/** What a container is made by, claimed so that none of it is replaced, changed, renamed or deleted meanwhile. */
import type { Devices } from '../contract/common.ts'
import type { InstanceRecord, ProfileRecord } from '../contract/records.ts'
import { volumeNames } from '../core/devices.ts'
import { effectiveDevices, ownAndInherited } from '../core/expand.ts'
import type { BusyClaim, RecordChange, RecordReader } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'

interface Claimed {
  busy: BusyClaim[]
  changes?: RecordChange[]
}

type Claiming<S> = S & { changes: RecordChange[] }

/**
 * The submission with a claim on each volume that one of the devices (expanded) mounts, as it is now: it is refused as
 * changed where one has been replaced or renamed since. A volume that is not there is left to whoever makes the container.
 */
export async function withMounts<S extends Claimed>(
  records: Pick<RecordReader, 'find'>,
  project: string,
  devices: Devices,
  submission: S,
): Promise<Claiming<S>> {
  const names = volumeNames({ devices: effectiveDevices(devices) })
  const home = names.length === 0 ? project : await homeOf(records, project, 'volume')
  const found = await Promise.all(names.map((name) => records.find('volume', home, name)))
  const volumes = found.filter((volume) => volume !== undefined)
  return using(submission, 'volume', volumes)
}

/**
 * The same for the profiles that an instance is to have, as they were read: whoever changes one looks for those whose
 * record names it already, and would not find this one.
 */
export function withProfiles<S extends Claimed>(profiles: ProfileRecord[], submission: S): Claiming<S> {
  return using(submission, 'profile', profiles)
}

function using<S extends Claimed>(
  submission: S,
  noun: 'profile' | 'volume',
  used: { uuid: string; rev: number }[],
): Claiming<S> {
  const action = submission.busy[0]?.action ?? ''
  return {
    ...submission,
    busy: [...submission.busy, ...used.map(({ uuid }): BusyClaim => ({ key: `${noun}:${uuid}`, mode: 'use', action }))],
    changes: [
      ...(submission.changes ?? []),
      ...used.map(({ uuid, rev }): RecordChange => ({ change: 'keep', noun, uuid, rev })),
    ],
  }
}

/** What an instance has by itself and by those of its profiles that are there. */
export async function devicesNow(
  records: Pick<RecordReader, 'find' | 'list'>,
  instance: InstanceRecord,
): Promise<Devices> {
  const home = await homeOf(records, instance.project, 'profile')
  return ownAndInherited(instance, await records.list('profile', home))
}
