/** The server that is measured: real processes, with an image in it, and a client that times operations. */
import { env } from 'node:process'
import { callAndWait, callApi, fieldOf } from '../../src/setup/api-client.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { IMAGE } from './tiny.ts'
import { type BenchClient, encodeRequest, openClient, type Reply } from './client.ts'
import type { RealLxd } from './real-lxd.ts'
import { openCalls, type Call } from './engine-calls.ts'

/** An operation as its client saw it; milliseconds since the request was sent. */
export interface Timing {
  accepted: number
  done: number
  url: string
}

export interface Measured extends AsyncDisposable {
  readonly windlass: TestWindlass
  readonly client: BenchClient
  readonly engine: Call
  /** A real one beside it, where one is installed and wanted. */
  readonly lxd: RealLxd | undefined
  /** Sends a request that is answered with 202 and waits for the operation's end, on this or another connection. */
  readonly operate: (method: string, path: string, body?: unknown, client?: BenchClient) => Promise<Timing>
}

/** Starts everything with so many workers; with any, the image is brought in. It goes before the `lxd` beside it. */
export async function startMeasured(workers: number, lxd?: RealLxd): Promise<Measured> {
  const windlass = await startWindlass({ workers, env: asStarted(), redis: { appendfsync: 'everysec', onDisk: true } })
  try {
    if (workers > 0) await bringImage(windlass.socket)
    const client = await openClient(windlass.socket)
    return {
      windlass,
      client,
      engine: openCalls(windlass.engine.socket),
      lxd,
      operate: (method, path, body, over = client) => operate(over, encodeRequest(method, path, body)),
      [Symbol.asyncDispose]: async () => {
        client.close()
        await windlass[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await windlass[Symbol.asyncDispose]()
    throw error
  }
}

/** The processes find compiled code where `npm start` keeps it, which makes them smaller; `npm run bench` says where. */
function asStarted(): Record<string, string> {
  const { NODE_COMPILE_CACHE: compiled } = env
  return compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled }
}

/** Runs `work` for each item, so many at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values()
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of left) await work(item)
    }),
  )
}

async function bringImage(socket: string): Promise<void> {
  await callAndWait(socket, { method: 'POST', path: '/1.0/images', body: await tinyImageTar() })
  const known = await callApi(socket, { method: 'GET', path: '/1.0/images' })
  const [url] = fieldOf(known.body, 'metadata') as string[] // LXD's list of URLs
  const target = url?.split('/').at(-1)
  await callAndWait(socket, { method: 'POST', path: '/1.0/images/aliases', body: { name: IMAGE, target } })
}

async function operate(client: BenchClient, request: Buffer): Promise<Timing> {
  const began = performance.now()
  const reply = await client.request(request)
  const accepted = performance.now() - began
  if (reply.status !== 202) throw new Error(`Expected 202, got ${reply.status}: ${reply.text}`)
  const url = String(fieldOf(decode(reply), 'operation'))
  const ended = await client.request(encodeRequest('GET', `${url}/wait?timeout=120`))
  const done = performance.now() - began
  const operation = fieldOf(decode(ended), 'metadata')
  if (fieldOf(operation, 'status_code') !== 200) throw new Error(`The operation did not succeed: ${ended.text}`)
  return { accepted, done, url }
}

function decode({ text }: Reply): unknown {
  return JSON.parse(text)
}
