/** Where an engine listens, from what DOCKER_HOST holds. Everything comes as an argument, nothing from the environment. */
import type { DockerOptions } from 'dockerode'
import type { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { inspect } from 'node:util'
import { badRequest } from '../../core/failure.ts'
import { nodeHttp } from '../../node-http.ts'

/** PEM texts of a client of a `tcp://` engine with TLS. */
export interface DockerTls {
  ca: string
  cert: string
  key: string
}

export interface Endpoint {
  /** For sentences: the socket's path, or the URL. */
  address: string
  options: DockerOptions & { agent: Agent }
  close(): void
}

const TLS_PORT = 2376
const PLAIN_PORT = 2375

/** `unix:///path`, `tcp://host:port` (with TLS where its certificates are given) → how dockerode dials it. */
export function openEndpoint(dockerHost: string, tls: DockerTls | undefined): Endpoint {
  if (dockerHost.startsWith('unix://')) return unixEndpoint(dockerHost.slice('unix://'.length))
  const url = URL.canParse(dockerHost) ? new URL(dockerHost) : undefined
  if (url?.protocol === 'tcp:' && url.hostname !== '') return tcpEndpoint(url, tls)
  throw badRequest(`DOCKER_HOST ${dockerHost} is neither unix:///path nor tcp://host:port`)
}

// docker-modem renders the options of every request for a debug line, also when nobody reads it, and the agent in them
// with everything that hangs on its sockets: tens of milliseconds each while many calls are under way.
class QuietAgent extends nodeHttp.Agent {
  [inspect.custom](): string {
    return 'Agent'
  }
}

class QuietTlsAgent extends TlsAgent {
  [inspect.custom](): string {
    return 'Agent'
  }
}

// dockerode fills what is left undefined from the environment, so that every field is said, also the empty ones.
const NOTHING = { host: undefined, port: undefined, ca: undefined, cert: undefined, key: undefined, timeout: undefined }

function unixEndpoint(socketPath: string): Endpoint {
  if (!socketPath.startsWith('/')) throw badRequest(`DOCKER_HOST unix://${socketPath} is not an absolute path`)
  const agent = new QuietAgent({ keepAlive: true })
  return {
    address: socketPath,
    options: { ...NOTHING, protocol: 'http', socketPath, agent },
    close: () => agent.destroy(),
  }
}

function tcpEndpoint(url: URL, tls: DockerTls | undefined): Endpoint {
  const protocol = tls === undefined ? 'http' : 'https'
  const port = url.port === '' ? (tls === undefined ? PLAIN_PORT : TLS_PORT) : Number(url.port)
  const agent = tls === undefined ? new QuietAgent({ keepAlive: true }) : new QuietTlsAgent({ keepAlive: true, ...tls })
  const address = `${protocol}://${url.hostname}`
  return {
    address: `${address}:${port}`,
    options: { ...NOTHING, protocol, host: address, port, agent, ...tls },
    close: () => agent.destroy(),
  }
}
