import type { Peers } from '../core/ports.ts'
import { BEAT, beatApi, findApi, forgetApi, LIFE } from './registry.ts'
import type { Database } from './scripts.ts'

/** This process among the others, and the way to say where it is. */
export interface Presence extends Peers {
  /** Said from now on; before, it only lives. */
  announce(addresses: PeerAddresses): Promise<void>
  close(): Promise<void>
}

export interface PeerAddresses {
  /** The machine on which its sockets can be opened. */
  host: string
  /** `unix:///path`: for processes on the same machine. */
  socket: string | undefined
  /** `http://host:port`. */
  http: string | undefined
}

export interface PresenceOptions {
  self: string
  /** This machine. */
  host: string
  onError(failure: unknown): void
}

/** Says every 2 s that this process lives, until it is closed. */
export async function openPresence(database: Database, options: PresenceOptions): Promise<Presence> {
  const { connection, keys } = database
  const { self, host } = options
  let about: PeerAddresses = { host, socket: undefined, http: undefined }
  let steadySince: number | undefined
  const beat = async (): Promise<void> => {
    try {
      await beatApi(connection, keys, self, JSON.stringify(about))
      steadySince ??= performance.now()
    } catch (failure) {
      steadySince = undefined
      throw failure
    }
  }
  await beat()
  const timer = setInterval(() => void beat().catch(options.onError), BEAT)
  return {
    self,
    find: async (peer) => {
      const said = await findApi(connection, keys, peer)
      if (said === undefined) return undefined
      const { host: there, socket, http }: PeerAddresses = JSON.parse(said)
      const isHere = there === host
      const reachable = http !== undefined && (isHere || !isLoopback(http)) ? http : undefined
      return [isHere ? socket : undefined, reachable].filter((address) => address !== undefined)
    },
    isSteady: () => steadySince !== undefined && performance.now() - steadySince > LIFE,
    announce: async (addresses) => {
      about = addresses
      await beat()
    },
    close: async () => {
      clearInterval(timer)
      await forgetApi(connection, keys, self).catch(options.onError)
    },
  }
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
}
