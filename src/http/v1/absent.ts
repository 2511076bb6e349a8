/** What LXD has and Docker Engine has not: lists are empty, and whoever wants to make such a thing is told why not. */
import { Type } from 'typebox'
import { Cluster } from '../../contract/cluster.ts'
import { Sync, Urls } from '../../contract/envelope.ts'
import { ref } from '../../contract/named.ts'
import { badRequest, notFound, notImplemented } from '../../core/failure.ts'
import { sync } from '../answers.ts'
import type { App } from '../app-types.ts'

interface Absence {
  operationId: string
  summary: string
  tags: string[]
  why: string
}

const network = (operationId: string, what: string): Absence => ({
  operationId,
  summary: `List ${what}: none`,
  tags: ['networks'],
  why: `${what.charAt(0).toUpperCase()}${what.slice(1)} are not possible on Docker Engine`,
})

const ABSENT: Record<string, Absence> = {
  '/1.0/virtual-machines': {
    operationId: 'listVirtualMachines',
    summary: 'List virtual machines: none',
    tags: ['server'],
    why: 'Virtual machines are not possible on Docker Engine',
  },
  '/1.0/network-acls': network('listNetworkAcls', 'network ACLs'),
  '/1.0/network-zones': network('listNetworkZones', 'network zones'),
  '/1.0/networks/:name/forwards': network('listNetworkForwards', 'network forwards'),
  '/1.0/networks/:name/load-balancers': network('listNetworkLoadBalancers', 'network load balancers'),
  '/1.0/networks/:name/peers': network('listNetworkPeers', 'network peers'),
}

const CREATION = ['/1.0/instances', '/1.0/containers']
const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const
const NO_CLUSTER = 'Server is not clustered: clusters are not possible with Windlass, which serves one Docker Engine'

/** What `lxc storage volume copy` sends where no member is named. */
const NOBODY = 'none'

/**
 * A server that is no cluster has no members that `target` could name. What is meant for another one is not done here:
 * in LXD's words.
 */
export function refuseTargets(app: App): void {
  app.addHook('preHandler', async ({ query, method, routeOptions }) => {
    const { target } = query as Record<string, unknown> // Fastify's own parser makes an object of every query
    if (target === undefined || target === '') return
    if (method === 'POST' && CREATION.includes(routeOptions.url ?? ''))
      throw badRequest('Target only allowed when clustered')
    if (target !== NOBODY) throw notFound('Cluster member not found')
  })
}

export function absentRoutes(app: App): void {
  for (const [path, { operationId, summary, tags, why }] of Object.entries(ABSENT)) {
    const params = path.includes(':name') ? { params: Type.Object({ name: Type.String() }) } : {}
    app.get(path, { schema: { operationId, summary, tags, ...params, response: { 200: Sync(Urls) } } }, async () =>
      sync([]),
    )
    const refused = { schema: { hide: true } }
    app.post(path, refused, () => refuse(why))
    app.get(`${path}/*`, refused, () => {
      throw notFound('not found')
    })
    app.route({ method: [...METHODS], url: `${path}/*`, ...refused, handler: () => refuse(why) })
  }
  clusterRoutes(app)
}

/** What a server that is alone says of its cluster. */
function clusterRoutes(app: App): void {
  const schema = {
    operationId: 'getCluster',
    summary: 'Read the cluster: none',
    tags: ['server'],
    response: { 200: Sync(ref(Cluster)) },
  }
  app.get('/1.0/cluster', { schema }, async () => sync({ server_name: '', enabled: false, member_config: [] }))
  const refused = { schema: { hide: true } }
  app.put('/1.0/cluster', refused, () => refuse(NO_CLUSTER))
  app.route({ method: ['GET', ...METHODS], url: '/1.0/cluster/*', ...refused, handler: () => refuse(NO_CLUSTER) })
}

function refuse(why: string): never {
  throw notImplemented(why)
}
