/** Who has a schedule and what expires: instances' snapshots and backups, and images that were cached and are not used. */
import { NEVER } from '../contract/common.ts'
import type { ImageRecord } from '../contract/records.ts'
import { isTrue } from '../core/config-values.ts'
import { isForeign } from '../core/foreign.ts'
import type { RecordReader } from '../core/ports.ts'
import { SERVER } from './caller.ts'
import type { Backups } from './backups.ts'
import type { Images } from './images.ts'
import type { InstanceView, InstanceViews } from './instance-views.ts'
import type { Expired, Scheduled, SchedulesDeps } from './schedules.ts'
import { CACHE_EXPIRY, CACHE_EXPIRY_DEFAULT } from './server-config.ts'
import type { Snapshots } from './snapshots.ts'

export interface ScheduleSourcesDeps {
  records: RecordReader
  views: Pick<InstanceViews, 'list'>
  snapshots: Pick<Snapshots, 'create' | 'remove'>
  backups: Pick<Backups, 'remove'>
  images: Pick<Images, 'remove'>
}

const DAY = 86_400_000
const STOPPED = 102

export function createScheduleSources(deps: ScheduleSourcesDeps): Pick<SchedulesDeps, 'scheduled' | 'expiring'> {
  const { records, views, snapshots, backups, images } = deps

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

  async function expiredSnapshots(now: number): Promise<Expired[]> {
    const over = (await records.list('snapshot')).filter(({ expires_at: at }) => at !== NEVER && Date.parse(at) <= now)
    const found = over.map(async ({ instance: uuid, name }): Promise<Expired[]> => {
      const instance = await records.get('instance', uuid)
      if (instance === undefined) return []
      return [{ name: `${instance.name}/${name}`, remove: () => snapshots.remove(SERVER, instance, name) }]
    })
    return (await Promise.all(found)).flat()
  }

  async function expiredBackups(now: number): Promise<Expired[]> {
    const over = (await records.list('backup')).filter(({ expires_at: at }) => at !== NEVER && Date.parse(at) <= now)
    const found = over.map(async ({ instance: uuid, name }): Promise<Expired[]> => {
      const instance = await records.get('instance', uuid)
      if (instance === undefined) return []
      return [{ name: `${instance.name}/${name}`, remove: () => backups.remove(SERVER, instance, name) }]
    })
    return (await Promise.all(found)).flat()
  }

  /** Cached ones that nobody has made an instance from for the days that `images.remote_cache_expiry` says. */
  async function expiredImages(now: number): Promise<Expired[]> {
    const cached = (await records.list('image')).filter((image) => image.cached)
    if (cached.length === 0) return []
    const [server, projects, instances] = await Promise.all([
      records.find('server', '', 'server'),
      records.list('project'),
      records.list('instance'),
    ])
    const days = new Map(projects.map(({ name, config }) => [name, config[CACHE_EXPIRY]]))
    const usedAt = ({ uploaded_at, last_used_at, name, project }: ImageRecord) =>
      Math.max(
        ...[uploaded_at, last_used_at].map((at) => Date.parse(at)),
        ...instances
          .filter((instance) => instance.image === name && instance.project === project)
          .map((instance) => Date.parse(instance.created_at)),
      )
    return cached
      .filter((image) => {
        const kept = Number(days.get(image.project) ?? server?.config[CACHE_EXPIRY] ?? CACHE_EXPIRY_DEFAULT)
        // 0 keeps them for ever, as in LXD.
        return kept > 0 && usedAt(image) + kept * DAY <= now
      })
      .map(({ name, project }) => ({ name, remove: () => images.remove(SERVER, project, name) }))
  }

  return { scheduled: [scheduledSnapshots], expiring: [expiredSnapshots, expiredBackups, expiredImages] }
}
