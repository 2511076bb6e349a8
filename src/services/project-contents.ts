/** What is in a project itself: what it shares with `default` is not. */
import type { ProjectRecord } from '../contract/records.ts'
import { badRequest } from '../core/failure.ts'
import type { RecordReader } from '../core/ports.ts'
import { instanceUrl } from './instance-urls.ts'
import { imageUrl, networkUrl, profileUrl, volumeUrl } from './noun-urls.ts'
import type { UsedBy } from './used-by.ts'

export function createProjectContents({ records, usedBy }: { records: RecordReader; usedBy: UsedBy }) {
  /** LXD's order: instances, profiles, images, volumes, networks. */
  async function urlsOf(project: string): Promise<string[]> {
    const [instances, profiles, images, volumes, networks] = await Promise.all([
      records.list('instance', project),
      records.list('profile', project),
      records.list('image', project),
      records.list('volume', project),
      records.list('network', project),
    ])
    return [
      ...instances.map((instance) => instanceUrl(instance)),
      ...profiles.map(profileUrl),
      ...images.map(imageUrl),
      ...volumes.map(volumeUrl),
      ...networks.map(({ name }) => networkUrl(name)),
    ]
  }

  /** Its profile `default` does not count, what is only being made does. */
  async function isEmpty({ name }: ProjectRecord): Promise<boolean> {
    // What has ended when it is looked for is among what is there.
    if (await usedBy.isBusy(name)) return false
    const own = profileUrl({ project: name, name: 'default' })
    return (await urlsOf(name)).every((url) => url === own)
  }

  /** What is there, or on its way, was made where the project has had its own, or has shared it. Throws LXD's sentence. */
  async function refuseFeatures(record: ProjectRecord): Promise<void> {
    if (await isEmpty(record)) return
    throw badRequest('Features can only be changed on empty projects')
  }

  return { urlsOf, isEmpty, refuseFeatures }
}
