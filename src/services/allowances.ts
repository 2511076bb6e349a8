/** What a project allows its users to make at all, beside the limits of instances. */
import type { Config } from '../contract/common.ts'
import { forbidden } from '../core/failure.ts'
import type { RecordReader } from '../core/ports.ts'
import { restrictionOf } from '../core/restrictions.ts'

/** The project's config; throws forbidden in LXD's words where it does not allow these. */
export async function requireAllowed(
  records: Pick<RecordReader, 'find'>,
  project: string,
  what: 'snapshot' | 'backup',
): Promise<Config> {
  const config = (await records.find('project', '', project))?.config ?? {}
  if (restrictionOf(config, `restricted.${what}s`) === 'block')
    throw forbidden(`Project "${project}" doesn't allow for ${what} creation`)
  return config
}
