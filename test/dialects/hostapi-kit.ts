import { expect } from 'vitest'
import { type ApiAnswer, fieldOf } from '../../src/setup/api-client.ts'
import type { TestWindlass } from '../support/windlass.ts'

/** A status, or a status and the body. */
export type Wanted = number | [number, unknown]

/** A command that stays. */
export const STAYS = 'sleep 1000'
export const HEX = /^[0-9a-f]{64}$/

export const pkOf = ({ body }: { body: unknown }): string => String(fieldOf(body, 'pk'))
export const base64 = (text: string): string => Buffer.from(text).toString('base64')

export function refused(status: number, error: unknown, detail?: unknown): [number, unknown] {
  return [status, detail === undefined ? { error } : { error, detail }]
}

export const ILLEGAL = refused(412, 'Container in illegal state for requested action', undefined)

/** Speaks hostapi over the unix socket and checks status, form and, where one is given, the body of every answer. */
export function hostapi(windlass: () => TestWindlass) {
  /** A Buffer is sent as it is. */
  async function ask(method: string, path: string, wanted: Wanted, body?: unknown): Promise<ApiAnswer> {
    const answer = await windlass().call(method, path, body)
    const [status, shape] = Array.isArray(wanted) ? wanted : [wanted]
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(status)
    if (shape !== undefined) expect(answer.body, `${method} ${path}`).toEqual(shape)
    if (status === 204) expect(answer.text).toBe('')
    else expect(answer.headers['content-type']).toBe('application/json')
    return answer
  }

  const read = (path: string, wanted: Wanted = 200) => ask('GET', path, wanted)
  const send = (path: string, wanted: Wanted, body?: unknown) => ask('POST', path, wanted, body)
  const remove = (path: string, wanted: Wanted = 204) => ask('DELETE', path, wanted)

  /** A container that is not started: its pk. */
  async function make(name: string, more: object = {}): Promise<string> {
    return pkOf(await send('/containers', 201, { name, image: 'busybox', command: STAYS, ...more }))
  }

  /** One that is. */
  async function start(name: string, more: object = {}): Promise<string> {
    const pk = await make(name, more)
    await send(`/containers/${pk}/start`, 204)
    return pk
  }

  async function run(pk: string, command: string): Promise<unknown> {
    return (await send(`/containers/${pk}/exec`, 200, { command })).body
  }

  async function statusOf(pk: string): Promise<unknown> {
    return fieldOf((await read(`/containers/${pk}`)).body, 'status')
  }

  async function list(path: string): Promise<unknown[]> {
    const { body } = await read(path)
    return Array.isArray(body) ? body : []
  }

  /** Deletes all containers, also those that run. */
  async function clear(): Promise<void> {
    for (const one of await list('/containers'))
      await windlass().call('DELETE', `/containers/${base64(pkOf({ body: one }))}`)
  }

  return { ask, read, send, remove, make, start, run, statusOf, list, clear }
}
