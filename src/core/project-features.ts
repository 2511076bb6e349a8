/**
 * In which project what a project has is: its own, or that of `default`, which it shares where it has not the feature.
 * Follows LXD's `features.images`, `features.profiles` and `features.storage.volumes`. Networks are always `default`'s.
 */
import type { Config } from '../contract/common.ts'
import type { Noun, RecordOf } from '../contract/records.ts'
import { isTrue } from './config-values.ts'
import type { RecordReader } from './ports.ts'

const SHARED = 'default'

/** What a project has of its own or shares; aliases are where the images are, snapshots and backups where their volume is. */
const FEATURES = { image: 'features.images', profile: 'features.profiles', volume: 'features.storage.volumes' } as const
type Homed = keyof typeof FEATURES
export const HOMED: readonly Homed[] = ['image', 'profile', 'volume']

/** Whether a project with this config has them of its own. One that says nothing has. */
export function hasOwn(config: Config, noun: Homed): boolean {
  return isTrue(config[FEATURES[noun]] ?? 'true')
}

/** The project that those of this project are in. Of a project that is not there it is the project itself. */
export async function homeOf(records: Pick<RecordReader, 'find'>, project: string, noun: Homed): Promise<string> {
  if (project === SHARED) return project
  const record = await records.find('project', '', project)
  return record === undefined || hasOwn(record.config, noun) ? project : SHARED
}

/** The same for all projects, as they are now. */
export async function homesOf(records: Pick<RecordReader, 'list'>, noun: Homed): Promise<(project: string) => string> {
  const sharing = new Set((await sharers(records, noun)).map(({ name }) => name))
  return (project) => (sharing.has(project) ? SHARED : project)
}

/** Records of the project and of those that share what this one has of `noun`: all that may name one of them. */
export async function listSharing<N extends Noun>(
  records: Pick<RecordReader, 'list'>,
  noun: Homed,
  home: string,
  wanted: N,
): Promise<RecordOf<N>[]> {
  const projects = await sharersOf(records, home, noun)
  return (await Promise.all(projects.map((project) => records.list(wanted, project)))).flat()
}

/** The names of the project and of those that share what this one has of `noun`. */
export async function sharersOf(records: Pick<RecordReader, 'list'>, home: string, noun: Homed): Promise<string[]> {
  if (home !== SHARED) return [home]
  return [home, ...(await sharers(records, noun)).map(({ name }) => name)]
}

async function sharers(records: Pick<RecordReader, 'list'>, noun: Homed) {
  const projects = await records.list('project')
  return projects.filter(({ name, config }) => name !== SHARED && !hasOwn(config, noun))
}
