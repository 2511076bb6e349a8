import { createServer } from 'node:net'
import { SetupError } from './host.ts'

/** A listening address from WINDLASS_HTTP. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Throws one sentence that names the setting where the address cannot be listened on. Port 0 is any free one. */
export async function refuseBusyPort({ host, port }: ListenAddress): Promise<void> {
  if (port === 0) return
  const code = await tryListening(host, port)
  const next = `${host}:${port + 1}`
  if (code === 'EADDRINUSE') {
    throw new SetupError(
      `${host}:${port} is in use by another program: set WINDLASS_HTTP=${next} (or WINDLASS_HTTP=off).`,
    )
  }
  if (code === 'EACCES') {
    throw new SetupError(`Listening on ${host}:${port} is not permitted: set WINDLASS_HTTP to a port from 1024 on.`)
  }
  if (code !== undefined)
    throw new SetupError(`Cannot listen on ${host}:${port} (${code}): set WINDLASS_HTTP to an address of this machine.`)
}

function tryListening(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) =>
      resolve('code' in error && typeof error.code === 'string' ? error.code : error.message),
    )
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
