import { Type } from 'typebox'
import { ref } from '../../contract/named.ts'
import { Profile, ProfilePatch, ProfilePost, ProfilePut, ProfilesPost } from '../../contract/profile.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import { etagOf } from '../../core/etag.ts'
import { parseFilter } from '../../core/filter.ts'
import { profileUrl } from '../../services/noun-urls.ts'
import type { Profiles, ProfileView } from '../../services/profiles.ts'
import { CHANGED, CREATED, listOf, taggedOne } from '../accepting.ts'
import { created, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { asListed, callerOf, listedProject, projectOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'

const tags = ['profiles']
const One = { params: Type.Object({ name: Type.String({ examples: ['default'] }) }), querystring: InProject({}) }

export function profileRoutes(app: App, { profiles }: { profiles: Profiles }): void {
  const listed = {
    operationId: 'listProfiles',
    summary: 'List profiles',
    tags,
    querystring: ListQuery({}),
    response: listOf(ref(Profile)),
  }
  app.get('/1.0/profiles', { schema: listed }, async (request) => {
    const matches = parseFilter(request.query.filter ?? '')
    const views = await profiles.list(callerOf(request), listedProject(request))
    const chosen = views.filter((view) => matches(toProfile(view)))
    if (recursionOf(request.query) > 0) return sync(chosen.map(toProfile))
    const project = listedProject(request)
    return sync(chosen.map(({ record }) => profileUrl(asListed(record, project))))
  })

  const made = {
    operationId: 'createProfile',
    summary: 'Create a profile',
    tags,
    querystring: InProject({}),
    body: ref(ProfilesPost),
    response: CREATED,
  }
  app.post('/1.0/profiles', { schema: made }, async (request, reply) => {
    const project = projectOf(request)
    const answer = created(profileUrl({ project, name: request.body.name ?? '' }))
    await profiles.create(keeping(request, answer), project, request.body)
    return give(reply, answer)
  })
  oneProfileRoutes(app, profiles)
}

function oneProfileRoutes(app: App, profiles: Profiles): void {
  const got = { operationId: 'getProfile', summary: 'Read a profile', tags, ...One, response: taggedOne(ref(Profile)) }
  app.get('/1.0/profiles/:name', { schema: got }, async (request, reply) => {
    const view = await profiles.get(callerOf(request), whereOf(request))
    return tagged(reply, etagOf(view.record.uuid, view.record.rev), toProfile(view))
  })

  const put = { operationId: 'putProfile', summary: 'Change a profile as a whole', tags, ...One, body: ref(ProfilePut) }
  app.put('/1.0/profiles/:name', { schema: { ...put, response: CHANGED } }, async (request, reply) => {
    await profiles.update(keeping(request, DONE), whereOf(request), request.body, request.headers['if-match'])
    return give(reply, DONE)
  })

  const patch = {
    operationId: 'patchProfile',
    summary: 'Change some of a profile',
    tags,
    ...One,
    body: ref(ProfilePatch),
  }
  app.patch('/1.0/profiles/:name', { schema: { ...patch, response: CHANGED } }, async (request, reply) => {
    await profiles.patch(keeping(request, DONE), whereOf(request), request.body, request.headers['if-match'])
    return give(reply, DONE)
  })

  const renamed = { operationId: 'renameProfile', summary: 'Rename a profile', tags, ...One, body: ref(ProfilePost) }
  app.post('/1.0/profiles/:name', { schema: { ...renamed, response: CREATED } }, async (request, reply) => {
    const name = request.body.name ?? ''
    const answer = created(profileUrl({ project: projectOf(request), name }))
    await profiles.rename(keeping(request, answer), whereOf(request), name)
    return give(reply, answer)
  })

  const removed = { operationId: 'deleteProfile', summary: 'Delete a profile', tags, ...One, response: CHANGED }
  app.delete('/1.0/profiles/:name', { schema: removed }, async (request, reply) => {
    await profiles.remove(keeping(request, DONE), whereOf(request))
    return give(reply, DONE)
  })
}

function whereOf(request: Parameters<typeof projectOf>[0] & { params: { name: string } }) {
  return { project: projectOf(request), name: request.params.name }
}

function toProfile({ record: { name, description, config, devices }, usedBy }: ProfileView): Profile {
  return { name, description, config, devices, used_by: usedBy }
}
