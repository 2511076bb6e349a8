import { Type } from 'typebox'
import { ref } from '../../contract/named.ts'
import { Project, ProjectPatch, ProjectPost, ProjectPut, ProjectsPost, ProjectState } from '../../contract/project.ts'
import { ListQuery } from '../../contract/query.ts'
import { etagOf } from '../../core/etag.ts'
import { parseFilter } from '../../core/filter.ts'
import { projectUrl } from '../../services/noun-urls.ts'
import type { Operations } from '../../services/operations.ts'
import type { Projects, ProjectView } from '../../services/projects.ts'
import { ACCEPTED, CHANGED, CREATED, listOf, oneOf, taggedOne } from '../accepting.ts'
import { acceptedSoon, created, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'

export interface ProjectRoutesDeps {
  projects: Projects
  operations: Operations
}

const tags = ['projects']
const One = { params: Type.Object({ name: Type.String({ examples: ['default'] }) }) }

export function projectRoutes(app: App, deps: ProjectRoutesDeps): void {
  const { projects } = deps
  const listed = {
    operationId: 'listProjects',
    summary: 'List projects',
    tags,
    querystring: ListQuery({}),
    response: listOf(ref(Project)),
  }
  app.get('/1.0/projects', { schema: listed }, async (request) => {
    const matches = parseFilter(request.query.filter ?? '')
    const chosen = (await projects.list(callerOf(request))).filter((view) => matches(toProject(view)))
    if (recursionOf(request.query) > 0) return sync(chosen.map(toProject))
    return sync(chosen.map(({ record }) => projectUrl(record.name)))
  })

  const made = {
    operationId: 'createProject',
    summary: 'Create a project',
    tags,
    body: ref(ProjectsPost),
    response: CREATED,
  }
  app.post('/1.0/projects', { schema: made }, async (request, reply) => {
    const answer = created(projectUrl(request.body.name ?? ''))
    await projects.create(keeping(request, answer), request.body)
    return give(reply, answer)
  })
  readRoutes(app, deps)
  writeRoutes(app, deps)
}

function readRoutes(app: App, { projects }: ProjectRoutesDeps): void {
  const got = { operationId: 'getProject', summary: 'Read a project', tags, ...One, response: taggedOne(ref(Project)) }
  app.get('/1.0/projects/:name', { schema: got }, async (request, reply) => {
    const view = await projects.get(callerOf(request), request.params.name)
    return tagged(reply, etagOf(view.record.uuid, view.record.rev), toProject(view))
  })

  const state = {
    operationId: 'getProjectState',
    summary: "Read a project's limits and what counts against them",
    tags,
    ...One,
    response: oneOf(ref(ProjectState)),
  }
  app.get('/1.0/projects/:name/state', { schema: state }, async (request) =>
    sync(await projects.state(callerOf(request), request.params.name)),
  )
}

function writeRoutes(app: App, { projects, operations }: ProjectRoutesDeps): void {
  const put = { operationId: 'putProject', summary: 'Change a project as a whole', tags, ...One, body: ref(ProjectPut) }
  app.put('/1.0/projects/:name', { schema: { ...put, response: CHANGED } }, async (request, reply) => {
    await projects.update(keeping(request, DONE), request.params.name, request.body, request.headers['if-match'])
    return give(reply, DONE)
  })

  const patch = {
    operationId: 'patchProject',
    summary: 'Change some of a project',
    tags,
    ...One,
    body: ref(ProjectPatch),
  }
  app.patch('/1.0/projects/:name', { schema: { ...patch, response: CHANGED } }, async (request, reply) => {
    await projects.patch(keeping(request, DONE), request.params.name, request.body, request.headers['if-match'])
    return give(reply, DONE)
  })

  const renamed = { operationId: 'renameProject', summary: 'Rename a project that is empty', tags, ...One }
  app.post(
    '/1.0/projects/:name',
    { schema: { ...renamed, body: ref(ProjectPost), response: ACCEPTED } },
    async (request, reply) => {
      const operation = await projects.rename(callerOf(request), request.params.name, request.body.name ?? '')
      return acceptedSoon(request, reply, operations, operation)
    },
  )

  const removed = {
    operationId: 'deleteProject',
    summary: 'Delete a project that is empty',
    tags,
    ...One,
    response: CHANGED,
  }
  app.delete('/1.0/projects/:name', { schema: removed }, async (request, reply) => {
    await projects.remove(keeping(request, DONE), request.params.name)
    return give(reply, DONE)
  })
}

function toProject({ record: { name, description, config }, usedBy }: ProjectView): Project {
  return { name, description, config, used_by: usedBy }
}
