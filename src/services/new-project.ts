/** What a project begins with. */
import type { Config } from '../contract/common.ts'
import type { ProfileRecord, ProjectRecord } from '../contract/records.ts'
import type { Clock, RecordChange } from '../core/ports.ts'
import { hasOwn } from '../core/project-features.ts'
import { projectConfig } from './project-config.ts'

const DEFAULT = 'default'

/**
 * The project together with its profile `default`, which has no devices, as in LXD; one that shares profiles has none of
 * its own. Throws what is wrong with its config.
 */
export function newProject(
  { name, description, config }: { name: string; description: string; config: Config },
  clock: Pick<Clock, 'uuid'>,
): { record: ProjectRecord; changes: RecordChange[] } {
  const record = makeProject({ uuid: clock.uuid(), name, description, config: projectConfig(name, config) })
  return { record, changes: [{ change: 'put', noun: 'project', record }, ...firstProfiles(record, clock)] }
}

/** The profiles with which a project begins to have its own. */
export function firstProfiles({ name, config }: ProjectRecord, clock: Pick<Clock, 'uuid'>): RecordChange[] {
  if (!hasOwn(config, 'profile')) return []
  return [{ change: 'put', noun: 'profile', record: makeDefaultProfile(clock.uuid(), name) }]
}

export function makeProject(content: Pick<ProjectRecord, 'uuid' | 'name' | 'description' | 'config'>): ProjectRecord {
  return { v: 1, rev: 0, project: '', ...content }
}

/** The profile that those of a project begin with. */
export function makeDefaultProfile(uuid: string, project: string): ProfileRecord {
  const description =
    project === DEFAULT ? 'Default Windlass profile' : `Default Windlass profile for project ${project}`
  return { v: 1, rev: 0, uuid, project, name: DEFAULT, description, config: {}, devices: {} }
}
