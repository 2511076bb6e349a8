/** Who has a schedule and what expires: snapshots and backups of instances and of volumes, and images, which also follow where they came from. */
import { NEVER } from '../contract/common.ts'
import type { ImageRecord, VolumeRecord } from '../contract/records.ts'
import { isTrue } from '../core/config-values.ts'
import { POOL } from '../core/devices.ts'
import { isForeign } from '../core/foreign.ts'
import type { RecordReader } from '../core/ports.ts'
import { homesOf } from '../core/project-features.ts'
import { SERVER, type Caller } from './caller.ts'
import type { Backups } from './backups.ts'
import { CACHE_EXPIRY, imageSettings, UPDATE_INTERVAL } from './image-settings.ts'
import type { Images } from './images.ts'
import type { InstanceView, InstanceViews } from './instance-views.ts'
import type { Expired, Scheduled, SchedulesDeps } from './schedules.ts'
import type { Seen } from './part-claims.ts'
import type { Snapshots } from './snapshots.ts'
import type { VolumeBackups } from './volume-backups.ts'
import type { VolumeSnapshots } from './volume-snapshots.ts'

export interface ScheduleSourcesDeps {
  records: RecordReader
  views: Pick<InstanceViews, 'list'>
  snapshots: Pick<Snapshots, 'create' | 'remove'>
  backups: Pick<Backups, 'remove'>
  volumeSnapshots: Pick<VolumeSnapshots, 'create' | 'remove'>
  volumeBackups: Pick<VolumeBackups, 'remove'>
  images: Pick<Images, 'refresh' | 'remove'>
}

const DAY = 86_400_000
const STOPPED = 102

export function createScheduleSources(deps: ScheduleSourcesDeps): Pick<SchedulesDeps, 'scheduled' | 'expiring'> {
  const { records, views, snapshots, backups, volumeSnapshots, volumeBackups, images } = deps

  /** A stopped instance only where it says so, as in LXD. */
  async function scheduledSnapshots(): Promise<Scheduled[]> {
    const all = await views.list(SERVER, undefined)
    return all.filter(({ record }) => !isForeign(record)).flatMap(toScheduled)
  }

  function toScheduled({ record, config, status }: InstanceView): Scheduled[] {
    const schedule = config['snapshots.schedule'] ?? ''
    const isStopped = status.code === STOPPED
    if (schedule === '' || (isStopped && !isTrue(config['snapshots.schedule.stopped']))) return []
    return [
      {
        key: record.uuid,
        schedule,
        started: isStopped ? undefined : record.last_used_at,
        run: (once) => snapshots.create(SERVER, record, {}, once),
      },
    ]
  }

  async function scheduledVolumeSnapshots(): Promise<Scheduled[]> {
    const volumes = await records.list('volume')
    return volumes.flatMap((volume) => {
      const schedule = volume.config['snapshots.schedule'] ?? ''
      if (schedule === '') return []
      return [{ key: volume.uuid, schedule, run: (once) => volumeSnapshots.create(SERVER, whereOf(volume), {}, once) }]
    })
  }

  const instanceOf = ({ instance }: { instance: string }) => records.get('instance', instance)
  const volumeOf = async ({ parent }: { parent: string }) => {
    const volume = await records.get('volume', parent)
    return volume && whereOf(volume)
  }

  /** Images that are to be looked for again where they came from, every `images.auto_update_interval` since they were brought. */
  async function followedImages(): Promise<Scheduled[]> {
    const all = await records.list('image')
    const followed = all.filter(
      ({ auto_update: isOn, source, origin }) => isOn && (source !== '' || origin !== undefined),
    )
    if (followed.length === 0) return []
    const setting = await imageSettings(records)
    return followed.map(({ uuid, name, project, uploaded_at: after }) => ({
      key: uuid,
      schedule: { hours: Number(setting(project, UPDATE_INTERVAL)), after },
      run: (once) => images.refresh(SERVER, project, name, once),
    }))
  }

  async function expiredImages(now: number): Promise<Expired[]> {
    const all = await records.list('image')
    const over = all.filter((image) => isOver(image, now))
    const unused = await unusedImages(
      all.filter((image) => image.cached && !over.includes(image)),
      now,
    )
    return [...over, ...unused].map((image) => ({
      name: image.name,
      remove: () => images.remove(SERVER, image.project, image.name, image),
    }))
  }

  /** Of cached ones those that nobody has made an instance from for the days that `images.remote_cache_expiry` says. */
  async function unusedImages(cached: ImageRecord[], now: number): Promise<ImageRecord[]> {
    if (cached.length === 0) return []
    const [setting, instances, homes] = await Promise.all([
      imageSettings(records),
      records.list('instance'),
      homesOf(records, 'image'),
    ])
    const usedAt = ({ uploaded_at, last_used_at, name, project }: ImageRecord) =>
      Math.max(
        ...[uploaded_at, last_used_at].map((at) => Date.parse(at)),
        ...instances
          .filter((instance) => instance.image === name && homes(instance.project) === project)
          .map((instance) => Date.parse(instance.created_at)),
      )
    return cached.filter((image) => {
      const kept = Number(setting(image.project, CACHE_EXPIRY))
      // 0 keeps them for ever, as in LXD.
      return kept > 0 && usedAt(image) + kept * DAY <= now
    })
  }

  return {
    scheduled: [scheduledSnapshots, scheduledVolumeSnapshots, followedImages],
    expiring: [
      expiredOf(() => records.list('snapshot'), instanceOf, snapshots),
      expiredOf(() => records.list('backup'), instanceOf, backups),
      expiredOf(() => records.list('volume-snapshot'), volumeOf, volumeSnapshots),
      expiredOf(() => records.list('volume-backup'), volumeOf, volumeBackups),
      expiredImages,
    ],
  }
}

const isOver = ({ expires_at: at }: { expires_at: string }, now: number) => at !== NEVER && Date.parse(at) <= now
const whereOf = ({ project, name }: VolumeRecord) => ({ pool: POOL, project, name })

/** Those of a list whose time is over, each to be removed from what it belongs to, unless somebody keeps it meanwhile. */
function expiredOf<R extends Seen & { name: string; expires_at: string }, O extends { name: string }>(
  list: () => Promise<R[]>,
  ownerOf: (one: R) => Promise<O | undefined>,
  { remove }: { remove: (caller: Caller, owner: O, name: string, seen: Seen) => Promise<unknown> },
): (now: number) => Promise<Expired[]> {
  return async (now) => {
    const over = (await list()).filter((one) => isOver(one, now))
    const found = over.map(async (one): Promise<Expired[]> => {
      const owner = await ownerOf(one)
      if (owner === undefined) return []
      return [{ name: `${owner.name}/${one.name}`, remove: () => remove(SERVER, owner, one.name, one) }]
    })
    return (await Promise.all(found)).flat()
  }
}
