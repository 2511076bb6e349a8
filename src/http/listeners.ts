/** Where the application listens: a unix socket for the administrator, HTTP for everyone with a token. */
import { chmod, unlink } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { conflict } from '../core/failure.ts'
import type { App } from './app-types.ts'
import { trustSocket } from './caller.ts'

export interface ListenOptions {
  /** Path of the unix socket; undefined: none. */
  socket: string | undefined
  /** Address of the HTTP listener; port 0 takes a free one. undefined: none. */
  http: { host: string; port: number } | undefined
}

/** Starts to listen; the listeners end with the application. Returns where HTTP is to be found. */
export async function listen(app: App, { socket, http }: ListenOptions): Promise<{ http: string | undefined }> {
  const local = createServer({ keepAliveTimeout: app.server.keepAliveTimeout }, (request, response) =>
    app.routing(request, response),
  )
  app.addHook('onClose', async () => close(local))
  await app.ready()
  if (socket !== undefined) await listenOnSocket(app, local, socket)
  if (http === undefined) return { http: undefined }
  await app.listen(http)
  const address = app.server.address() as AddressInfo // a TCP listener has one
  return { http: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}` }
}

/** The same application on a second server, whose connections are trusted. */
async function listenOnSocket(app: App, local: Server, path: string): Promise<void> {
  await removeStale(path)
  local.on('connection', trustSocket)
  local.on('upgrade', (request, socket, head) => app.server.emit('upgrade', request, socket, head))
  local.on('clientError', (error, socket) => app.server.emit('clientError', error, socket))
  await started(local, path)
  await chmod(path, 0o660)
}

function started(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Milliseconds that requests under way get; waits and event streams that take longer are cut, and clients come again. */
const DRAIN = 2_500

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  const late = setTimeout(() => server.closeAllConnections(), DRAIN)
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  server.closeIdleConnections()
  await closed
  clearTimeout(late)
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
