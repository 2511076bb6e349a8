/** What a project begins with. */
import type { Config } from '../contract/common.ts'
import type { ProfileRecord, ProjectRecord } from '../contract/records.ts'
import type { Clock, RecordChange } from '../core/ports.ts'
import { projectConfig } from './project-config.ts'

const DEFAULT = 'default'

/** The project together with its profile `default`, which has no devices, as in LXD. Throws what is wrong with its config. */
export function newProject(
  { name, description, config }: { name: string; description: string; config: Config },
  clock: Pick<Clock, 'uuid'>,
): { record: ProjectRecord; changes: RecordChange[] } {
  const record = makeProject({ uuid: clock.uuid(), name, description, config: projectConfig(name, config) })
  const profile = makeDefaultProfile(clock.uuid(), name)
  return {
    record,
    changes: [
      { change: 'put', noun: 'project', record },
      { change: 'put', noun: 'profile', record: profile },
    ],
  }
}

export function makeProject(content: Pick<ProjectRecord, 'uuid' | 'name' | 'description' | 'config'>): ProjectRecord {
  return { v: 1, rev: 0, project: '', ...content }
}

/** The profile every project begins with. */
export function makeDefaultProfile(uuid: string, project: string): ProfileRecord {
  const description =
    project === DEFAULT ? 'Default Windlass profile' : `Default Windlass profile for project ${project}`
  return { v: 1, rev: 0, uuid, project, name: DEFAULT, description, config: {}, devices: {} }
}
