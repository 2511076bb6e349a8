/** The routes of containers. */
import { bothSlashes, byOperation, callerOf, settle, type DialectApp, type DialectKit } from '../dialect.ts'
import { act, parseAction } from './actions.ts'
import { createContainer, DIALECT } from './creation.ts'
import { answerMissing, misspelled, missingAs, stateAs } from './errors.ts'
import { toContainer, toList } from './translate.ts'
import { Action, answers, Container, Creation, Done, DONE, Listed, OfContainer, Refused } from './wire.ts'

const ROOT = '/api/v1/containers'
const tags = ['containers']
const repeated = async (): Promise<Done> => DONE

export function containerRoutes(app: DialectApp, kit: DialectKit): void {
  for (const [at, url] of bothSlashes(ROOT).entries()) collectionRoutes(app, kit, { url, hide: at === 0 })
  for (const [at, url] of bothSlashes(`${ROOT}/:name`).entries()) itemRoutes(app, kit, { url, hide: at === 1 })
}

interface At {
  url: string
  /** The form with or without the slash that the manual does not have. */
  hide: boolean
}

function collectionRoutes(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const listed = { summary: 'List containers', tags, operationId: 'listContainers', response: answers(Listed) }
  app.get(url, { schema: { ...listed, hide } }, async (request) =>
    toList(await kit.services.directory.list(callerOf(request), DIALECT)),
  )
  const creation = {
    summary: 'Create a container from a template, or clone one',
    tags,
    operationId: 'createContainer',
    body: Creation,
    response: { ...answers(Done), 402: Refused },
  }
  app.put(
    url,
    { schema: { ...creation, hide }, attachValidation: true, config: { repeated } },
    async (request, reply) => {
      const { body, validationError } = request
      const given: Record<string, unknown> = Object(body)
      if (body === undefined || body === null) throw misspelled()
      if (!('name' in given) || !('template' in given || 'clone' in given)) return answerMissing(reply)
      if (validationError !== undefined) throw validationError
      if (!body.template && !body.clone) return answerMissing(reply)
      await settle(kit, await createContainer(kit, callerOf(request), body))
      return DONE
    },
  )
}

function itemRoutes(app: DialectApp, kit: DialectKit, { url, hide }: At): void {
  const { directory, instances } = kit.services
  const common = { params: OfContainer, tags, hide }
  const shown = { summary: 'Show a container and what it uses', operationId: 'getContainer' }
  app.get(url, { schema: { ...common, ...shown, response: answers(Container) } }, async (request) => {
    const caller = callerOf(request)
    const found = await missingAs('not-found', directory.find(caller, DIALECT, request.params.name))
    const state = await missingAs('not-found', instances.state(caller, found.where))
    return toContainer(found, state, instances.measured(found.view))
  })
  const changed = { summary: 'Start, stop, freeze or unfreeze a container', operationId: 'changeContainer' }
  app.post(
    url,
    {
      schema: { ...common, ...changed, body: Action, response: answers(Done) },
      attachValidation: true,
      config: { repeated },
    },
    async (request) => {
      const { action }: { action?: unknown } = Object(request.body)
      const wanted = parseAction(action)
      const caller = callerOf(request)
      await act(kit, caller, await missingAs('conflict', directory.find(caller, DIALECT, request.params.name)), wanted)
      return DONE
    },
  )
  const deletion = { summary: 'Delete a container; one that runs is killed', operationId: 'deleteContainer' }
  app.delete(url, {
    schema: { ...common, ...deletion, response: answers(Done) },
    ...byOperation(
      kit,
      async (request) => {
        const caller = callerOf(request)
        const { name = '' }: { name?: string } = Object(request.params)
        const { where } = await missingAs('bad-request', directory.find(caller, DIALECT, name))
        return stateAs(instances.remove(caller, where, { force: true }))
      },
      repeated,
    ),
  })
}
