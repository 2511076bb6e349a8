/** What scenarios prepare with, and how a run is cleared away. */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import { fieldOf } from '../../src/setup/api-client.ts'
import { downloadApi } from '../support/download.ts'
import type { Bed } from './bed.ts'

export interface Kit {
  readonly bed: Bed
  /** The engine's own socket. */
  readonly engine: string
  call: Bed['call']
  /** Sends it and waits for its success. */
  operate(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<OperationRecord>
  /** Sends what is answered at once. */
  send(method: string, path: string, body?: unknown): Promise<void>
  /** A file, asked for again where it is cut off. */
  download(path: string): Promise<Buffer>
  make(name: string, source: object, start: boolean, more?: object): Promise<void>
  sha256(bytes: Buffer): string
}

export function makeKit(bed: Bed): Kit {
  const { windlass, call } = bed
  const operate: Kit['operate'] = async (method, path, body, headers) => {
    const answer = await call(method, path, body, headers)
    const ended = await bed.ended(answer)
    if (ended?.state === 'success') return ended
    throw new Error(`${method} ${path} ended as ${ended?.state}: ${ended?.err ?? answer.text}`)
  }
  return {
    bed,
    engine: windlass.engine.socket,
    call,
    operate,
    send: async (method, path, body) => {
      const answer = await call(method, path, body)
      if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
    },
    download: (path) => downloadCarefully(windlass.socket, path),
    make: async (name, source, start, more = {}) => {
      await operate('POST', '/1.0/instances', { name, source, start, ...more })
    },
    sha256: (bytes) => createHash('sha256').update(bytes).digest('hex'),
  }
}

/** Milliseconds for which a download is tried again. */
const PATIENCE = 30_000

async function downloadCarefully(socket: string, path: string): Promise<Buffer> {
  for (const until = performance.now() + PATIENCE; ;) {
    try {
      return await downloadApi(socket, path)
    } catch (error) {
      if (performance.now() > until) throw error
    }
    await delay(250)
  }
}

/** Removes all that has one of the words in it, as a user would. */
export async function clear(bed: Bed, ...words: string[]): Promise<void> {
  const kit = makeKit(bed)
  const list = async (path: string): Promise<unknown[]> => {
    const { status, body, text } = await bed.call('GET', path)
    const found = fieldOf(body, 'metadata')
    if (!Array.isArray(found)) throw new Error(`GET ${path} answered ${status}: ${text}`)
    // An image has no name of its own.
    const told = (one: unknown): string => JSON.stringify(fieldOf(one, 'name') ?? one)
    return found.filter((one) => words.some((word) => told(one).includes(word)))
  }
  for (const instance of await list('/1.0/instances?recursion=1')) await removeInstance(kit, instance)
  for (const image of await list('/1.0/images?recursion=1'))
    await kit.operate('DELETE', `/1.0/images/${String(fieldOf(image, 'fingerprint'))}`)
  for (const network of await list('/1.0/networks?recursion=1'))
    await kit.send('DELETE', `/1.0/networks/${String(fieldOf(network, 'name'))}`)
  const volumes = await list('/1.0/storage-pools/default/volumes/custom?recursion=1')
  // Snapshots go with their volumes.
  for (const name of volumes.map((one) => String(fieldOf(one, 'name'))).filter((one) => !one.includes('/')))
    await kit.send('DELETE', `/1.0/storage-pools/default/volumes/custom/${name}`)
  for (const project of await list('/1.0/projects?recursion=1'))
    await kit.send('DELETE', `/1.0/projects/${String(fieldOf(project, 'name'))}`)
}

async function removeInstance(kit: Kit, instance: unknown): Promise<void> {
  const path = `/1.0/instances/${String(fieldOf(instance, 'name'))}`
  if (fieldOf(instance, 'status') !== 'Stopped') {
    const stopped = await kit.call('PUT', `${path}/state`, { action: 'stop', force: true })
    // Lists follow the engine's events: it may have died with its engine a moment ago.
    if (!stopped.text.includes('already stopped')) await kit.bed.ended(stopped)
    if (fieldOf(instance, 'ephemeral') === true) return
  }
  await kit.operate('DELETE', path)
}
