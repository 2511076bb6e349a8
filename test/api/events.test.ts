import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Event } from '../../src/contract/event.ts'
import { makeProject } from '../../src/services/new-project.ts'
import { endOperation, fakeInstances } from '../support/api-instances.ts'
import { ADMIN_TOKEN, startApi, type TestApi } from '../support/api.ts'

let api: TestApi
let origin: string
beforeAll(async () => {
  api = await startApi({ services: fakeInstances })
  const shop = makeProject({ uuid: randomUUID(), name: 'shop', description: '', config: {} })
  await api.records.write({ changes: [{ change: 'put', noun: 'project', record: shop }], at: Date.now() })
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = api.app.server.address() as AddressInfo // it listens on TCP
  origin = `127.0.0.1:${port}`
})
afterAll(() => api[Symbol.asyncDispose]())

const start = (name = 'c1', project = 'default') =>
  api.call({ method: 'PUT', url: `/1.0/instances/${name}/state?project=${project}`, payload: { action: 'start' } })

/** Starts an instance and lets it succeed; the operation's id. */
async function act(name = 'c1', project = 'default'): Promise<string> {
  const { headers } = await start(name, project)
  const id = String(headers.location).slice('/1.0/operations/'.length)
  await endOperation(api.store, id)
  return id
}

const isEndOf = (id: string) => (event: Event) =>
  event.type === 'operation' && event.metadata.id === id && event.metadata.status_code >= 200

const nobody = () => undefined

/** A websocket, and every event it has received. */
async function follow(query = '', token = ADMIN_TOKEN) {
  const socket = new WebSocket(`ws://${origin}/1.0/events${query}`, { headers: { authorization: `Bearer ${token}` } })
  const events: Event[] = []
  let wake: () => void = nobody
  socket.on('message', (data: Buffer) => {
    events.push(JSON.parse(data.toString()))
    wake()
  })
  await once(socket, 'open')
  const until = async (matches: (event: Event) => boolean): Promise<Event[]> => {
    while (!events.some(matches)) await new Promise<void>((resolve) => (wake = resolve))
    return events
  }
  return { socket, until, [Symbol.dispose]: () => socket.terminate() }
}

test('a websocket tells each state of an operation, and what it led to', async () => {
  using following = await follow()
  const id = await act()
  const events = await following.until(isEndOf(id))
  const states = events.flatMap((event) => (event.type === 'operation' ? [event.metadata.status] : []))
  expect(states).toEqual(['Pending', 'Running', 'Success'])
  expect(events[0]).toMatchObject({
    type: 'operation',
    timestamp: expect.stringMatching(/^20.*Z$/),
    location: 'none',
    project: 'default',
    metadata: { id, description: 'Starting instance' },
  })
})

test('a server pings its followers at once', async () => {
  const socket = new WebSocket(`ws://${origin}/1.0/events`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  const [data] = await once(socket, 'ping')
  expect(String(data)).toBe('keepalive')
  socket.terminate()
})

test('followers hear the types and projects they ask for', async () => {
  using operations = await follow('?type=operation&project=shop')
  using lifecycles = await follow('?type=lifecycle&all-projects=true')
  await act('c1')
  const id = await act('c3', 'shop')
  const seen = await operations.until(isEndOf(id))
  expect(new Set(seen.map(({ project }) => project))).toEqual(new Set(['shop']))
  await api.call({ method: 'PATCH', url: '/1.0', payload: { config: { 'user.a': '1' } } })
  const told = await lifecycles.until(({ type }) => type === 'lifecycle')
  expect(told).toMatchObject([
    { type: 'lifecycle', metadata: { action: 'config-updated', source: '/1.0', requestor: { username: 'admin' } } },
  ])
})

test('a token hears only of the projects it may enter', async () => {
  using following = await follow('?all-projects=true', await api.token('viewer', ['shop']))
  await act('c1')
  const id = await act('c3', 'shop')
  const seen = await following.until(isEndOf(id))
  expect(new Set(seen.map(({ project }) => project))).toEqual(new Set(['shop']))
})

test.each([
  ['?type=nosuch', 400, '"nosuch" isn\'t a supported event type'],
  ['?project=a&all-projects=true', 400, 'Cannot specify a project when requesting all projects'],
  ['?project=nosuch', 404, 'Project not found'],
  ['?after=nonsense', 400, '"nonsense" is not the id of an event'],
])('%s is refused before anything is upgraded', async (query, status, error) => {
  const socket = new WebSocket(`ws://${origin}/1.0/events${query}`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
  })
  const [failure] = await once(socket, 'error')
  expect(String(failure)).toContain(String(status))
  expect(await api.call({ url: `/1.0/events${query}`, headers: { accept: 'text/event-stream' } })).toMatchObject({
    status,
    body: { error },
  })
})

test('a stranger is not upgraded', async () => {
  const socket = new WebSocket(`ws://${origin}/1.0/events`)
  const [failure] = await once(socket, 'error')
  expect(String(failure)).toContain('403')
})

test('neither a websocket nor a stream is 400', async () => {
  expect(await api.call({ url: '/1.0/events' })).toMatchObject({ status: 400, body: { type: 'error' } })
})

interface ServerSent {
  id: string | undefined
  event: Event
}

/** Reads server-sent events until one matches, then leaves. */
async function streamUntil(
  matches: (event: Event) => boolean,
  headers: Record<string, string> = {},
): Promise<ServerSent[]> {
  const leave = new AbortController()
  const response = await fetch(`http://${origin}/1.0/events?type=operation`, {
    headers: { accept: 'text/event-stream', authorization: `Bearer ${ADMIN_TOKEN}`, ...headers },
    signal: leave.signal,
  })
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const seen: ServerSent[] = []
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString()
    const frames = text.split('\n\n')
    text = frames.pop() ?? ''
    for (const frame of frames) {
      const data = /^data: (.*)$/m.exec(frame)?.[1]
      if (data !== undefined) seen.push({ id: /^id: (.*)$/m.exec(frame)?.[1], event: JSON.parse(data) })
    }
    if (seen.some(({ event }) => matches(event))) break
  }
  leave.abort()
  return seen
}

test('the cursor of a 202 leads to every event of its operation', async () => {
  await act()
  const { headers } = await start()
  const id = String(headers.location).slice('/1.0/operations/'.length)
  await endOperation(api.store, id)
  const seen = await streamUntil(isEndOf(id), { 'last-event-id': String(headers['windlass-event-cursor']) })
  const states = seen.flatMap(({ event }) =>
    event.type === 'operation' && event.metadata.id === id ? [event.metadata.status] : [],
  )
  expect(states).toEqual(['Pending', 'Running', 'Success'])
})

test('a stream is resumed after the last event that was seen, without a hole and without a repeat', async () => {
  const { headers } = await start()
  const id = String(headers.location).slice('/1.0/operations/'.length)
  const cursor = String(headers['windlass-event-cursor'])
  const first = await streamUntil(({ type }) => type === 'operation', { 'last-event-id': cursor })
  const last = first.at(-1)?.id ?? ''
  expect(last).toMatch(/^\d+-\d+$/)
  await endOperation(api.store, id)
  const second = await streamUntil(isEndOf(id), { 'last-event-id': last })
  const ids = [...first, ...second].map((one) => one.id)
  expect(new Set(ids).size).toBe(ids.length)
})

test('a stream says so when events before it are gone', async () => {
  const id = await act()
  const seen = await streamUntil(isEndOf(id), { 'last-event-id': '1-1' })
  expect(seen[0]).toMatchObject({ id: undefined, event: { type: 'gap', metadata: { reason: expect.any(String) } } })
})

test('the server closes although streams are open', async () => {
  await using other = await startApi()
  await other.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = other.app.server.address() as AddressInfo // it listens on TCP
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${ADMIN_TOKEN}` }
  const response = await fetch(`http://127.0.0.1:${port}/1.0/events`, { headers })
  await other.app.close()
  expect(await response.text()).toMatch(/^retry: 1000/)
})
