import { createServer } from 'node:net'
import { SetupError } from './host.ts'

/** A listening address from a setting. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** The settings that are listening addresses. */
export type ListenSetting = 'WINDLASS_HTTP' | 'WINDLASS_HTTPS'

/** Throws one sentence that names the setting where the address cannot be listened on. Port 0 is any free one. */
export async function refuseBusyPort(address: ListenAddress | undefined, setting: ListenSetting): Promise<void> {
  if (address === undefined || address.port === 0) return
  const { host, port } = address
  const code = await tryListening(host, port)
  const next = `${host}:${port + 1}`
  if (code === 'EADDRINUSE') {
    throw new SetupError(`${host}:${port} is in use by another program: set ${setting}=${next} (or ${setting}=off).`)
  }
  if (code === 'EACCES') {
    throw new SetupError(`Listening on ${host}:${port} is not permitted: set ${setting} to a port from 1024 on.`)
  }
  if (code !== undefined)
    throw new SetupError(`Cannot listen on ${host}:${port} (${code}): set ${setting} to an address of this machine.`)
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
