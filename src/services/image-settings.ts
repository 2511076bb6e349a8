/** Settings of images: what the project says, else the server, else LXD's default. */
import type { RecordReader } from '../core/ports.ts'

/** Days after which a cached image is deleted that nothing is made from; 0 is never. */
export const CACHE_EXPIRY = 'images.remote_cache_expiry'
/** Hours between two looks for something new where an image came from; 0 is never. */
export const UPDATE_INTERVAL = 'images.auto_update_interval'
/** Whether images that were brought for an instance are kept up to date. */
export const UPDATE_CACHED = 'images.auto_update_cached'

const DEFAULTS = { [CACHE_EXPIRY]: '10', [UPDATE_INTERVAL]: '6', [UPDATE_CACHED]: 'true' }

/** What counts for the images of each project now. */
export async function imageSettings(
  records: Pick<RecordReader, 'find' | 'list'>,
): Promise<(project: string, key: keyof typeof DEFAULTS) => string> {
  const [server, projects] = await Promise.all([records.find('server', '', 'server'), records.list('project')])
  const own = new Map(projects.map(({ name, config }) => [name, config]))
  return (project, key) => own.get(project)?.[key] || server?.config[key] || DEFAULTS[key]
}
