/** Projects: rooms of their own for instances and, unless they share those of `default`, for images, profiles and volumes. */
import type { Config } from '../contract/common.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { ProjectPatch, ProjectPut, ProjectsPost, ProjectState } from '../contract/project.ts'
import type { ProfileRecord, ProjectRecord } from '../contract/records.ts'
import { rebound } from '../core/bound.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { badRequest, forbidden } from '../core/failure.ts'
import { parseProjectName, RESERVED_PROJECT } from '../core/names.ts'
import type { Clock, RecordChange, RecordReader } from '../core/ports.ts'
import { hasOwn, HOMED } from '../core/project-features.ts'
import { mayEnter, requireProject, requireServer, type Caller } from './caller.ts'
import { loadProject } from './homes.ts'
import { projectUrl } from './noun-urls.ts'
import type { Operations } from './operations.ts'
import {
  AGGREGATES,
  countOf,
  COUNTS,
  isNewlyBounded,
  limitOf,
  tooLow,
  usageOf,
  type ProjectRoom,
} from './project-room.ts'
import { firstProfiles, makeProject, newProject } from './new-project.ts'
import { asSeen } from './part-claims.ts'
import { projectConfig } from './project-config.ts'
import { createProjectContents } from './project-contents.ts'
import type { UsedBy } from './used-by.ts'
import type { Write } from './writes.ts'

export interface ProjectsDeps {
  records: RecordReader
  write: Write
  operations: Operations
  usedBy: UsedBy
  room: ProjectRoom
  clock: Clock
  /** Whose workers do what belongs to no member. */
  member: string
}

export interface ProjectView {
  record: ProjectRecord
  usedBy: string[]
}

export type Projects = ReturnType<typeof createProjects>

const DEFAULT = 'default'

/** Where the containers made by others are shown; no record, and never changed. */
const OTHERS = makeProject({
  uuid: RESERVED_PROJECT,
  name: RESERVED_PROJECT,
  description: 'Containers made by others on this Docker Engine: read, start, stop, exec and logs',
  config: {},
})

export function createProjects(deps: ProjectsDeps) {
  const { records, write, room, clock } = deps
  const contents = createProjectContents(deps)

  /** Those the caller may enter. */
  async function list(caller: Caller): Promise<ProjectView[]> {
    const projects = [...(await records.list('project')), OTHERS].filter(({ name }) => mayEnter(caller, name))
    return Promise.all(projects.map(toView))
  }

  async function get(caller: Caller, name: string): Promise<ProjectView> {
    requireProject(caller, name)
    return toView(name === OTHERS.name ? OTHERS : await load(caller, name))
  }

  /** With a profile `default` of its own, unless it shares profiles. */
  async function create(caller: Caller, body: ProjectsPost): Promise<ProjectRecord> {
    requireServer(caller)
    const name = parseProjectName(body.name ?? '')
    const { record, changes } = newProject(
      { name, description: body.description ?? '', config: body.config ?? {} },
      clock,
    )
    await write(caller, {
      changes,
      taken: `Project "${name}" already exists`,
      event: event('project-created', record),
    })
    return record
  }

  async function update(caller: Caller, name: string, body: ProjectPut, ifMatch?: string): Promise<void> {
    const record = await writable(caller, name, ifMatch)
    await change(caller, record, body.description ?? '', body.config ?? {})
  }

  /** Merged into what is there. */
  async function patch(caller: Caller, name: string, body: ProjectPatch, ifMatch?: string): Promise<void> {
    const record = await writable(caller, name, ifMatch)
    await change(caller, record, body.description ?? record.description, { ...record.config, ...body.config })
  }

  async function change(caller: Caller, record: ProjectRecord, description: string, given: Config): Promise<void> {
    const config = projectConfig(record.name, given, record.config)
    const moved = HOMED.filter((noun) => hasOwn(record.config, noun) !== hasOwn(config, noun))
    const save = async (now: ProjectRecord): Promise<void> => {
      if (moved.length > 0) await contents.refuseFeatures(record)
      await refuseTooLow(record.name, config)
      const next = { ...now, description, config }
      await write(caller, {
        changes: [
          { change: 'put', noun: 'project', record: next },
          ...(moved.includes('profile')
            ? [...removals(await records.list('profile', next.name)), ...firstProfiles(next, clock)]
            : []),
        ],
        event: event('project-updated', record),
        unlessBusy: moved.length > 0 ? [`project:${record.uuid}`] : [],
      })
    }
    const isHeld = moved.length > 0 || isNewlyBounded(record.config, config)
    await (isHeld ? whileHeld(caller, record, save) : save(record))
  }

  async function refuseTooLow(name: string, config: Config): Promise<void> {
    const low = tooLow(name, config, await room.occupants(name))
    if (low !== undefined) throw badRequest(low)
    const networks = name === DEFAULT ? await networksIn(name) : 0
    if (networks > Number(config['limits.networks'] ?? networks))
      throw badRequest(`"limits.networks" is too low: there currently are ${networks} networks in project "${DEFAULT}"`)
  }

  /** Those that are being made as well. */
  async function networksIn(name: string): Promise<number> {
    const coming = await deps.usedBy.comingNetworks(name)
    const there = await records.list('network', name)
    return new Set([...coming, ...there].map(({ uuid }) => uuid)).size
  }

  /**
   * Whoever takes room in the project from now on changes its record: what `work` finds in it is so until it is written
   * with the record that it is given, or that is refused. Without limits nobody else changes it.
   */
  async function whileHeld<T>(
    caller: Caller,
    { held: isHeld, ...record }: ProjectRecord,
    work: (record: ProjectRecord) => Promise<T>,
  ): Promise<T> {
    // The request's own key belongs to the change.
    const own = { ...caller, idempotency: undefined, answer: undefined }
    const put = (next: ProjectRecord) => write(own, { changes: [{ change: 'put', noun: 'project', record: next }] })
    if (isHeld !== true) await put({ ...record, held: true })
    const held = isHeld === true ? record : { ...record, rev: record.rev + 1 }
    try {
      return await work(held)
    } catch (thrown) {
      // Held for longer it costs others a try.
      await put(held).catch(() => undefined)
      throw thrown
    }
  }

  /** Only of an empty one, as in LXD: names of containers and labels hold the project's name. LXD does it in the background. */
  async function rename(caller: Caller, name: string, newName: string): Promise<OperationRecord> {
    requireServer(caller)
    const record = await load(caller, name)
    if (name === DEFAULT) throw forbidden('The "default" project cannot be renamed')
    parseProjectName(newName)
    const refuse = async (): Promise<void> => {
      if (!(await contents.isEmpty(record))) throw badRequest('Only empty projects can be renamed')
    }
    await refuse()
    return whileHeld(caller, record, async (held) => {
      const { uuid, rev } = held
      await refuse()
      return deps.operations.submit(caller, {
        kind: 'project.rename',
        // It stays held: the worker finds by the revision whether anybody has taken room in it meanwhile.
        input: { project: uuid, name: newName, rev },
        project: DEFAULT,
        member: deps.member,
        entity: { id: uuid, name: record.name, url: projectUrl(newName) },
        resources: null,
        names: [{ noun: 'project', scope: '', name: newName }],
        taken: `Project "${newName}" already exists`,
        busy: [{ key: `project:${uuid}`, mode: 'own', action: 'rename' }],
        ...asSeen('project', held),
      })
    })
  }

  /** An empty one goes with its profile `default`; tokens and certificates that were bound to it no longer are. */
  async function remove(caller: Caller, name: string): Promise<void> {
    requireServer(caller)
    const record = await load(caller, name)
    if (name === DEFAULT) throw forbidden('The "default" project cannot be deleted')
    const refuse = async (): Promise<void> => {
      if (!(await contents.isEmpty(record))) throw badRequest('Only empty projects can be removed')
    }
    await refuse()
    await whileHeld(caller, record, async ({ uuid, rev }) => {
      await refuse()
      await write(caller, {
        changes: [
          { change: 'remove', noun: 'project', uuid, rev },
          ...removals(await records.list('profile', record.name)),
          ...(await rebound(records, (projects) => projects.filter((project) => project !== name))),
        ],
        event: event('project-deleted', record),
        unlessBusy: [`project:${uuid}`],
      })
    })
  }

  /** Limits and what counts against them; -1 is no limit. Space on disk is not counted per project. */
  async function state(caller: Caller, name: string): Promise<ProjectState> {
    const { config } = await load(caller, name)
    const occupants = await room.occupants(name)
    const networks = name === DEFAULT ? (await records.list('network')).length : 0
    return {
      resources: {
        ...Object.fromEntries(
          COUNTS.map((key) => [shortOf(key), { Limit: limitOf(key, config), Usage: countOf(occupants) }]),
        ),
        ...Object.fromEntries(
          AGGREGATES.map((key) => [shortOf(key), { Limit: limitOf(key, config), Usage: usageOf(key, occupants) }]),
        ),
        'virtual-machines': { Limit: Number(config['limits.virtual-machines'] ?? -1), Usage: 0 },
        disk: { Limit: -1, Usage: 0 },
        networks: { Limit: Number(config['limits.networks'] ?? -1), Usage: networks },
      },
    }
  }

  async function load(caller: Caller, name: string): Promise<ProjectRecord> {
    requireProject(caller, name)
    return loadProject(records, name)
  }

  async function writable(caller: Caller, name: string, ifMatch: string | undefined): Promise<ProjectRecord> {
    requireServer(caller)
    const record = await load(caller, name)
    checkIfMatch(ifMatch, etagOf(record.uuid, record.rev))
    return record
  }

  async function toView(record: ProjectRecord): Promise<ProjectView> {
    return { record, usedBy: await contents.urlsOf(record.name) }
  }

  return { list, get, create, update, patch, rename, remove, state }
}

function removals(profiles: ProfileRecord[]): RecordChange[] {
  return profiles.map(({ uuid, rev }) => ({ change: 'remove', noun: 'profile', uuid, rev }))
}

function shortOf(key: string): string {
  return key.slice('limits.'.length)
}

function event(action: string, record: ProjectRecord) {
  return { action, source: projectUrl(record.name), project: record.name }
}
