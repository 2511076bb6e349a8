/** Custom volumes that a container is to mount, claimed so that none of them is replaced, renamed or deleted meanwhile. */
import type { Devices } from '../contract/common.ts'
import type { InstanceRecord } from '../contract/records.ts'
import { volumeNames } from '../core/devices.ts'
import { effectiveDevices, expandDevices, pickProfiles } from '../core/expand.ts'
import type { BusyClaim, RecordChange, RecordReader } from '../core/ports.ts'
import { homeOf } from '../core/project-features.ts'

interface Claimed {
  busy: BusyClaim[]
  changes?: RecordChange[]
}

/**
 * The submission with a claim on each volume that one of the devices (expanded) mounts, as it is now: it is refused as
 * changed where one has been replaced or renamed since. A volume that is not there is left to whoever makes the container.
 */
export async function withMounts<S extends Claimed>(
  records: Pick<RecordReader, 'find'>,
  project: string,
  devices: Devices,
  submission: S,
): Promise<S & { changes: RecordChange[] }> {
  const names = volumeNames({ devices: effectiveDevices(devices) })
  const home = names.length === 0 ? project : await homeOf(records, project, 'volume')
  const found = await Promise.all(names.map((name) => records.find('volume', home, name)))
  const volumes = found.filter((volume) => volume !== undefined)
  const action = submission.busy[0]?.action ?? ''
  return {
    ...submission,
    busy: [
      ...submission.busy,
      ...volumes.map(({ uuid }): BusyClaim => ({ key: `volume:${uuid}`, mode: 'use', action })),
    ],
    changes: [
      ...(submission.changes ?? []),
      ...volumes.map(({ uuid, rev }): RecordChange => ({ change: 'keep', noun: 'volume', uuid, rev })),
    ],
  }
}

/** What an instance has by itself and by those of its profiles that are there. */
export async function devicesNow(
  records: Pick<RecordReader, 'find' | 'list'>,
  instance: InstanceRecord,
): Promise<Devices> {
  const home = await homeOf(records, instance.project, 'profile')
  const { profiles } = pickProfiles(instance.profiles, await records.list('profile', home))
  return expandDevices(profiles, instance.devices)
}
