/** Clients that change something again and again, each request with a key of its own, until they are told to stop. */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { callApi, type ApiAnswer } from '../../src/setup/api-client.ts'
import { operationOf, type Bed } from './bed.ts'
import { clear, makeKit } from './scenario-kit.ts'

/** One request as its client has seen it. */
export interface Sent {
  key: string
  path: string
  body: unknown
  /** Statuses in order, or an error's text where there was no answer. */
  answers: (number | string)[]
  /** Milliseconds that the slowest refusal took. */
  slowest: number
  /** Of the operation. */
  id?: string
}

export interface Traffic {
  readonly sent: readonly Sent[]
  /** Milliseconds since 1970 of the latest acceptance. */
  lastAccepted(): number
  stop(): Promise<void>
  /** What is wrong with what was sent, once all is over. */
  judge(): Promise<string[]>
}

export interface TrafficOptions {
  clients: number
  /** Takes the other process where one is not there. */
  sockets: () => readonly string[]
}

let rounds = 0

/** Each client has an instance with a snapshot whose expiry it changes: an operation without work on the engine. */
export async function startTraffic(bed: Bed, { clients, sockets }: TrafficOptions): Promise<Traffic> {
  const tag = `t${String(++rounds).padStart(3, '0')}`
  const kit = makeKit(bed)
  const names = Array.from({ length: clients }, (_, n) => `${tag}-${n}`)
  await Promise.all(
    names.map(async (name) => {
      await kit.make(name, { type: 'image', alias: 'busybox' }, false)
      await kit.operate('POST', `/1.0/instances/${name}/snapshots`, { name: 's' })
    }),
  )
  const sent: Sent[] = []
  const stopping = new AbortController()
  let last = 0

  async function ask(one: Sent, n: number): Promise<ApiAnswer | undefined> {
    const all = sockets()
    const socket = all[n % all.length] ?? bed.windlass.socket
    const began = performance.now()
    try {
      const headers = { 'idempotency-key': one.key }
      const answer = await callApi(socket, { method: 'PUT', path: one.path, body: one.body, headers })
      if (one.answers.length < 50) one.answers.push(answer.status)
      if (answer.status === 503) one.slowest = Math.max(one.slowest, performance.now() - began)
      return answer
    } catch (error) {
      if (one.answers.length < 50) one.answers.push(error instanceof Error ? error.message : String(error))
      return undefined
    }
  }

  async function accepted(one: Sent, n: number): Promise<void> {
    for (let tries = n; ; tries++) {
      const answer = await ask(one, tries)
      const id = answer === undefined ? undefined : operationOf(answer)?.split('/').at(-1)
      if (answer?.status === 202 && id !== undefined) {
        one.id = id
        last = Date.now()
        return
      }
      // A client that waits for an end may be told of it before the next one is free to begin.
      if (answer !== undefined && answer.status !== 503 && answer.status !== 409) return
      await delay(50)
    }
  }

  async function loop(name: string, n: number): Promise<void> {
    for (let turn = 0; !stopping.signal.aborted; turn++) {
      const body = { expires_at: new Date(2e12 + turn * 1000).toISOString() }
      const one: Sent = { key: randomUUID(), path: `/1.0/instances/${name}/snapshots/s`, body, answers: [], slowest: 0 }
      sent.push(one)
      await accepted(one, n + turn)
      if (one.id === undefined) return
      await bed.audit.ended(one.id)
    }
  }

  const looping = Promise.all(names.map(loop))

  async function judge(): Promise<string[]> {
    const faults: string[] = []
    const found = await bed.audit.operations(sent.flatMap(({ id }) => id ?? []))
    const states = new Map(found.map(({ id, state }) => [id, state]))
    for (const one of sent) {
      const state = one.id === undefined ? 'refused' : (states.get(one.id) ?? 'lost')
      if (state !== 'success') faults.push(`${one.path} with key ${one.key} is ${state}: ${one.answers.join(', ')}`)
    }
    const ids = new Set(sent.map(({ id }) => id))
    if (ids.size !== sent.length) faults.push(`${sent.length} keys led to ${ids.size} operations`)
    // The same key again is the same operation, however often, also by a process that finds its Redis later than others.
    for (const one of sent.slice(-5)) {
      const again = await bed.call('PUT', one.path, one.body, { 'idempotency-key': one.key })
      if (operationOf(again)?.split('/').at(-1) !== one.id)
        faults.push(`Key ${one.key} led to ${one.id}, and then to ${again.status} ${again.text.slice(0, 200)}`)
    }
    await clear(bed, tag)
    return faults
  }

  return {
    sent,
    lastAccepted: () => last,
    stop: async () => {
      stopping.abort()
      await looping
    },
    judge,
  }
}
