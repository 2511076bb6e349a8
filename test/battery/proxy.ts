/** A relay between two processes that spoils what passes: to a unix socket, over a unix socket of its own. */
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from './random.ts'

/** What happens to everything that passes. */
export interface Weather {
  /** Milliseconds that each piece is held back, at least and at most. */
  latency?: readonly [number, number]
  /** Pieces of so many bytes at most. */
  slice?: number
  /** The chance of each piece to cut its connection. */
  cut?: number
  /** The chance of a new connection to be swallowed: nothing answers it, and it is cut when the weather changes. */
  swallow?: number
  /** Nothing passes; connections stay open. */
  blackHole?: boolean
  /** Connections are cut after so many bytes of answers. */
  cutAfter?: number
}

/**
 * What happens to one HTTP request. `before`: cut before the server sees it. `after`: cut when the server answers.
 * `half`: cut in the middle of its answer. `refuse`: answered with 500, unseen by the server. `hang`: never answered,
 * unseen by the server. `silent`: never answered, although the server does it.
 */
export type Spoiling = 'before' | 'after' | 'half' | 'refuse' | 'hang' | 'silent'

export interface Proxy extends AsyncDisposable {
  /** Where it listens. */
  readonly path: string
  set(weather: Weather): void
  /** Asked for each HTTP request, by its first line; what it says happens. */
  onRequest(decide: ((method: string, url: string) => Spoiling | undefined) | undefined): void
  /** Cuts what is connected now. */
  cutAll(): void
  /** The clients' ends are closed, the servers' are not. */
  halfClose(): void
  connections(): number
}

interface Pair {
  client: Socket
  server: Socket
  spoiling: Spoiling | undefined
}

const REQUEST = /^(GET|HEAD|POST|PUT|DELETE) (\S+) HTTP\/1\.1\r\n/
const REFUSAL = '{"message":"spoiled by the test"}'

export async function openProxy(path: string, target: string, random: Random): Promise<Proxy> {
  const pairs = new Set<Pair>()
  const swallowed = new Set<Socket>()
  let weather: Weather = {}
  let decide: ((method: string, url: string) => Spoiling | undefined) | undefined
  // Each direction ends on its own, as that of a command's input does before its output.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (weather.swallow !== undefined && random.next() < weather.swallow) return swallow(client)
    const pair: Pair = { client, server: connect({ path: target, allowHalfOpen: true }), spoiling: undefined }
    pairs.add(pair)
    for (const end of [pair.client, pair.server]) {
      end.on('error', () => cut(pair))
      end.on('close', () => {
        cut(pair)
        pairs.delete(pair)
      })
    }
    relay(pair, 'client')
    relay(pair, 'server')
  })

  function swallow(client: Socket): void {
    swallowed.add(client)
    client.on('close', () => swallowed.delete(client))
    client.on('error', () => client.destroy())
    client.resume()
  }

  function cutSwallowed(): void {
    for (const client of swallowed) client.destroy()
  }

  function cut(pair: Pair): void {
    pair.client.destroy()
    pair.server.destroy()
  }

  /** Passes on in order what comes from one end. */
  function relay(pair: Pair, from: 'client' | 'server'): void {
    const [source, sink] = from === 'client' ? [pair.client, pair.server] : [pair.server, pair.client]
    let passed = 0
    let last: Promise<void> = Promise.resolve()
    const isCalm = (): boolean => Object.keys(weather).length === 0
    let waiting = 0
    const queue = (work: () => Promise<void>): void => {
      waiting += 1
      last = last.then(work).finally(() => (waiting -= 1))
    }
    source.on('data', (chunk: Buffer) => {
      const rest = from === 'client' ? judge(pair, chunk) : answer(pair, chunk)
      if (rest === undefined) return
      if (isCalm() && waiting === 0) return void write(source, sink, rest)
      queue(() => pass(rest))
    })
    source.on('end', () => queue(async () => void sink.end()))

    async function pass(chunk: Buffer): Promise<void> {
      const size = weather.slice ?? chunk.length
      for (let at = 0; at < chunk.length; at += size) {
        await holdBack(sink)
        const isTooMuch = from === 'server' && passed > (weather.cutAfter ?? Number.POSITIVE_INFINITY)
        if (isTooMuch || random.next() < (weather.cut ?? 0)) return cut(pair)
        if (sink.destroyed) return
        passed += size
        await write(source, sink, chunk.subarray(at, at + size))
      }
    }
  }

  async function holdBack(sink: Socket): Promise<void> {
    while (weather.blackHole === true && !sink.destroyed) await delay(20)
    const [least, most] = weather.latency ?? [0, 0]
    if (most > 0) await delay(least + random.next() * (most - least))
  }

  async function write(source: Socket, sink: Socket, chunk: Buffer): Promise<void> {
    if (sink.destroyed || sink.writableEnded || sink.write(chunk)) return
    if (source.isPaused()) return
    source.pause()
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const event of ['drain', 'close']) sink.once(event, resolve)
    await promise
    for (const event of ['drain', 'close']) sink.off(event, resolve)
    source.resume()
  }

  /** What of a client's bytes goes to the server. */
  function judge(pair: Pair, chunk: Buffer): Buffer | undefined {
    if (decide !== undefined) {
      const [, method, url] = REQUEST.exec(chunk.subarray(0, 2_000).toString('latin1')) ?? []
      if (method !== undefined && url !== undefined) pair.spoiling = decide(method, url)
    }
    if (pair.spoiling === 'hang') return undefined
    if (pair.spoiling === 'before') {
      cut(pair)
      return undefined
    }
    if (pair.spoiling !== 'refuse') return chunk
    const head = `content-type: application/json\r\ncontent-length: ${REFUSAL.length}\r\nconnection: close`
    pair.client.end(`HTTP/1.1 500 Internal Server Error\r\n${head}\r\n\r\n${REFUSAL}`)
    pair.server.destroy()
    return undefined
  }

  function answer(pair: Pair, chunk: Buffer): Buffer | undefined {
    if (pair.spoiling === 'after') {
      cut(pair)
      return undefined
    }
    if (pair.spoiling === 'silent') return undefined
    if (pair.spoiling !== 'half') return chunk
    pair.client.write(chunk.subarray(0, Math.ceil(chunk.length / 2)), () => cut(pair))
    pair.spoiling = 'hang'
    return undefined
  }

  server.listen(path)
  await once(server, 'listening')
  return {
    path,
    set: (next) => {
      weather = next
      cutSwallowed()
    },
    onRequest: (next) => void (decide = next),
    cutAll: () => pairs.forEach(cut),
    halfClose: () => pairs.forEach(({ client }) => client.end()),
    connections: () => pairs.size,
    [Symbol.asyncDispose]: async () => {
      pairs.forEach(cut)
      cutSwallowed()
      server.close()
      await rm(path, { force: true })
    },
  }
}
