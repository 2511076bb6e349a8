import type { ProjectRecord } from '../../src/contract/records.ts'
import { rebound } from '../../src/core/bound.ts'
import { badRequest, conflict, notFound } from '../../src/core/failure.ts'
import type { RecordChange } from '../../src/core/ports.ts'
import type { Context, Handler } from '../steps.ts'

type Renaming = Context<'project.rename'>

/** Renames an empty project with its profiles, and in the tokens and certificates that are bound to it. The engine knows nothing of it. */
export const projectRename: Handler<'project.rename'> = {
  steps: [{ name: 'check', run: checkEmpty }],
  finish: async (context) => {
    const { records, input } = context
    const { held: _held, ...project } = await load(context)
    const profiles = await records.list('profile', project.name)
    const record = { ...project, name: input.name }
    return {
      changes: [
        { change: 'put', noun: 'project', record },
        ...profiles.map((profile): RecordChange => {
          return { change: 'put', noun: 'profile', record: { ...profile, project: input.name } }
        }),
        ...(await rebound(records, (projects) => projects.map((one) => (one === project.name ? input.name : one)))),
      ],
      context: { old_name: project.name },
      project: input.name,
    }
  },
}

async function checkEmpty(context: Renaming): Promise<void> {
  const { records } = context
  const { name } = await load(context)
  const [instances, images, volumes, profiles] = await Promise.all([
    records.list('instance', name),
    records.list('image', name),
    records.list('volume', name),
    records.list('profile', name),
  ])
  const others = profiles.filter((profile) => profile.name !== 'default')
  if (instances.length + images.length + volumes.length + others.length > 0)
    throw badRequest('Only empty projects can be renamed')
}

async function load(context: Renaming): Promise<ProjectRecord> {
  const project = await context.records.get('project', context.input.project)
  if (project === undefined) throw notFound('Project not found')
  // Whoever makes something in it changes its record first, since it is held.
  if (project.rev !== (context.input.rev ?? project.rev))
    throw conflict('The project was used or changed by someone else meanwhile; only empty projects can be renamed')
  return project
}
