/** Networks belong to the server as a whole; `project` only says whose users are shown. */
import { Type } from 'typebox'
import { ref } from '../../contract/named.ts'
import {
  Network,
  NetworkLease,
  NetworkPatch,
  NetworkPost,
  NetworkPut,
  NetworksPost,
  NetworkState,
} from '../../contract/network.ts'
import { InProject, ListQuery } from '../../contract/query.ts'
import { etagOf } from '../../core/etag.ts'
import { parseFilter } from '../../core/filter.ts'
import type { Networks, NetworkView } from '../../services/networks.ts'
import { networkUrl } from '../../services/noun-urls.ts'
import { CHANGED, CREATED, listOf, oneOf, taggedOne } from '../accepting.ts'
import { created, DONE, give, keeping, sync, tagged } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf, projectOf } from '../caller.ts'
import { recursionOf } from '../recursion.ts'

const tags = ['networks']
const One = { params: Type.Object({ name: Type.String({ examples: ['lxdbr0'] }) }), querystring: InProject({}) }

export function networkRoutes(app: App, { networks }: { networks: Networks }): void {
  const listed = {
    operationId: 'listNetworks',
    summary: 'List networks',
    tags,
    querystring: ListQuery({}),
    response: listOf(ref(Network)),
  }
  app.get('/1.0/networks', { schema: listed }, async (request) => {
    const matches = parseFilter(request.query.filter ?? '')
    const chosen = (await networks.list(callerOf(request))).filter((view) => matches(toNetwork(view)))
    if (recursionOf(request.query) > 0) return sync(chosen.map(toNetwork))
    return sync(chosen.map(({ record }) => networkUrl(record.name)))
  })

  const made = {
    operationId: 'createNetwork',
    summary: 'Create a bridge',
    tags,
    querystring: InProject({}),
    body: ref(NetworksPost),
    response: CREATED,
  }
  app.post('/1.0/networks', { schema: made }, async (request, reply) => {
    const answer = created(networkUrl(request.body.name ?? ''))
    await networks.create(keeping(request, answer), request.body)
    return give(reply, answer)
  })
  readRoutes(app, networks)
  writeRoutes(app, networks)
}

function readRoutes(app: App, networks: Networks): void {
  const got = { operationId: 'getNetwork', summary: 'Read a network', tags, ...One, response: taggedOne(ref(Network)) }
  app.get('/1.0/networks/:name', { schema: got }, async (request, reply) => {
    const view = await networks.get(callerOf(request), request.params.name)
    return tagged(reply, etagOf(view.record.uuid, view.record.rev), toNetwork(view))
  })

  const state = {
    operationId: 'getNetworkState',
    summary: "Read a network's state",
    tags,
    ...One,
    response: oneOf(ref(NetworkState)),
  }
  app.get('/1.0/networks/:name/state', { schema: state }, async (request) =>
    sync(await networks.state(callerOf(request), request.params.name)),
  )

  const leases = {
    operationId: 'listNetworkLeases',
    summary: 'List who holds which address',
    tags,
    ...One,
    response: oneOf(Type.Array(ref(NetworkLease))),
  }
  app.get('/1.0/networks/:name/leases', { schema: leases }, async (request) =>
    sync(await networks.leases(callerOf(request), request.params.name, projectOf(request))),
  )
}

function writeRoutes(app: App, networks: Networks): void {
  const put = { operationId: 'putNetwork', summary: 'Change a network as a whole', tags, ...One, body: ref(NetworkPut) }
  app.put('/1.0/networks/:name', { schema: { ...put, response: CHANGED } }, async (request, reply) => {
    await networks.update(keeping(request, DONE), request.params.name, request.body, request.headers['if-match'])
    return give(reply, DONE)
  })

  const patch = {
    operationId: 'patchNetwork',
    summary: 'Change some of a network',
    tags,
    ...One,
    body: ref(NetworkPatch),
  }
  app.patch('/1.0/networks/:name', { schema: { ...patch, response: CHANGED } }, async (request, reply) => {
    await networks.patch(keeping(request, DONE), request.params.name, request.body, request.headers['if-match'])
    return give(reply, DONE)
  })

  const renamed = { operationId: 'renameNetwork', summary: 'Rename a network', tags, ...One, body: ref(NetworkPost) }
  app.post('/1.0/networks/:name', { schema: { ...renamed, response: CREATED } }, async (request, reply) => {
    const name = request.body.name ?? ''
    const answer = created(networkUrl(name))
    await networks.rename(keeping(request, answer), request.params.name, name)
    return give(reply, answer)
  })

  const removed = { operationId: 'deleteNetwork', summary: 'Delete a network that nothing uses', tags, ...One }
  app.delete('/1.0/networks/:name', { schema: { ...removed, response: CHANGED } }, async (request, reply) => {
    await networks.remove(keeping(request, DONE), request.params.name)
    return give(reply, DONE)
  })
}

function toNetwork({ record: { name, description, config }, usedBy }: NetworkView): Network {
  const fixed = { type: 'bridge', managed: true, status: 'Created', locations: ['none'] }
  return { name, description, config, used_by: usedBy, ...fixed }
}
