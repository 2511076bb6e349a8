/** Where the application listens: a unix socket for the administrator, HTTP for tokens, HTTPS for client certificates as well. */
import { chmod, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect, type AddressInfo, type ListenOptions as Address, type Server as AnyServer } from 'node:net'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { conflict } from '../core/failure.ts'
import { nodeHttp } from '../node-http.ts'
import type { App } from './app-types.ts'
import { trustSocket } from './caller.ts'
import { peerOf, rememberPeer } from './peer.ts'

export interface ListenOptions {
  /** Path of the unix socket; undefined: none. */
  socket: string | undefined
  /** Address of the HTTP listener; port 0 takes a free one. undefined: none. */
  http: { host: string; port: number } | undefined
  /** The same for HTTPS, with the server's key and certificate (PEM). */
  https?: { host: string; port: number; key: string; certificate: string } | undefined
}

/** Where the listeners are to be found. */
export interface Listening {
  http: string | undefined
  https: string | undefined
}

/** Starts to listen; the listeners end with the application. */
export async function listen(app: App, { socket, http, https }: ListenOptions): Promise<Listening> {
  const local = serveOn(app, nodeHttp.createServer({ keepAliveTimeout: app.server.keepAliveTimeout }))
  local.on('connection', trustSocket)
  const secure = https && makeSecureServer(app, https)
  await app.ready()
  if (socket !== undefined) await listenOnSocket(local, socket)
  const listening: Listening = { http: undefined, https: undefined }
  if (secure !== undefined && https !== undefined) {
    await started(secure, { host: https.host, port: https.port })
    listening.https = `https://${placeOf(secure)}`
  }
  if (http !== undefined) {
    await app.listen(http)
    listening.http = `http://${placeOf(app.server)}`
  }
  return listening
}

async function listenOnSocket(local: Server, path: string): Promise<void> {
  await removeStale(path)
  await started(local, { path })
  await chmod(path, 0o660)
}

/** Asks its clients for certificates and takes any or none: who they are is for the trust store to say. */
function makeSecureServer(app: App, { key, certificate }: NonNullable<ListenOptions['https']>): Server {
  const secure = createSecureServer({
    key,
    cert: certificate,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: false,
    keepAliveTimeout: app.server.keepAliveTimeout,
  })
  secure.on('secureConnection', rememberPeer)
  return serveOn(app, secure)
}

/** The application on a further server. */
function serveOn<S extends Server>(app: App, server: S): S {
  server.on('request', (request, response) => app.routing(request, response))
  server.on('upgrade', (request, socket, head) => app.server.emit('upgrade', request, socket, head))
  server.on('clientError', (error, socket) => {
    // A handshake that failed leaves nothing to answer on: a client's first look at our certificate ends like that.
    if (socket instanceof TLSSocket && peerOf(socket) === undefined) socket.destroy()
    else app.server.emit('clientError', error, socket)
  })
  app.addHook('onClose', async () => close(server))
  return server
}

function placeOf(server: AnyServer): string {
  const address = server.address() as AddressInfo // a TCP listener has one
  return `${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

function started(server: AnyServer, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Milliseconds that requests under way get; waits and event streams that take longer are cut, and clients come again. */
const DRAIN = 2_500

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  await letInTheLast(server)
  const late = setTimeout(() => server.closeAllConnections(), DRAIN)
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  server.closeIdleConnections()
  await closed
  clearTimeout(late)
}

/** So often, and so many milliseconds apart, nobody new has come when nobody is left who waits to be let in. */
const LOOKS = 3
const APART = 10

/** Whoever has connected and is not let in yet would be cut off: first nobody finds the socket any more. */
async function letInTheLast(server: Server): Promise<void> {
  const address = server.address()
  if (typeof address !== 'string') return
  await unlink(address).catch(() => undefined)
  let came = 0
  server.on('connection', () => came++)
  for (let [looks, before] = [0, came]; looks < LOOKS; looks++) {
    await sleep(APART)
    // A process that stood still for so long has let nobody in either; after this it has.
    await immediate()
    if (came > before) looks = -1
    before = came
  }
}

/** A socket file that nobody answers on was left by a process that is gone. */
async function removeStale(path: string): Promise<void> {
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy()
      resolve(true)
    })
    probe.on('error', () => resolve(false))
  })
  if (answered) throw conflict(`Another server listens on ${path}`)
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}
