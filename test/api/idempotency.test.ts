import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endOperation, fakeInstances } from '../support/api-instances.ts'
import { startApi, type TestApi } from '../support/api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startApi({ services: fakeInstances })
})
afterAll(() => api[Symbol.asyncDispose]())

const start = (key: string, payload: object = { action: 'start' }, token?: string) => {
  const request = {
    method: 'PUT',
    url: '/1.0/instances/c1/state',
    payload,
    headers: { 'idempotency-key': key },
  } as const
  return token === undefined ? api.call(request) : api.callAs(token, request)
}

test('the same request again leads to the same operation, also after it has ended', async () => {
  const key = randomUUID()
  const first = await start(key)
  const { location } = first.headers
  expect(first.status).toBe(202)
  expect(await start(key)).toMatchObject({ status: 202, headers: { location } })
  await endOperation(api.store, String(location).slice('/1.0/operations/'.length))
  expect(await start(key)).toMatchObject({
    status: 202,
    headers: { location },
    body: { metadata: { status: 'Success' } },
  })
})

test('another body under the same key is 422', async () => {
  const key = randomUUID()
  const { headers } = await start(key)
  expect(await start(key, { action: 'start', timeout: 5 })).toMatchObject({
    status: 422,
    body: { error: 'This Idempotency-Key was used for another request' },
  })
  await endOperation(api.store, String(headers.location).slice('/1.0/operations/'.length))
})

test('keys of different tokens have nothing to do with each other', async () => {
  const key = randomUUID()
  const { headers } = await start(key)
  expect(await start(key, { action: 'start' }, await api.token('admin'))).toMatchObject({ status: 409 })
  await endOperation(api.store, String(headers.location).slice('/1.0/operations/'.length))
})

test('a change without an operation is made once and answered twice', async () => {
  const headers = { 'idempotency-key': randomUUID() }
  const make = () => api.call({ method: 'POST', url: '/1.0/auth/tokens', payload: { name: 'once' }, headers })
  const first = await make()
  expect(first).toMatchObject({ status: 201, headers: { location: '/1.0/auth/tokens/once' } })
  // The secret is told once, all else again.
  const { metadata } = Object(first.body)
  expect(await make()).toMatchObject({
    status: 201,
    headers: { location: '/1.0/auth/tokens/once' },
    body: { type: 'sync', metadata: { ...metadata, token: '' } },
  })
  expect(await api.call({ method: 'POST', url: '/1.0/auth/tokens', payload: { name: 'once' } })).toMatchObject({
    status: 409,
    body: { error: 'Token "once" already exists' },
  })
})

test('a route that hides its operation waits for it and answers as it would have', async () => {
  const headers = { 'idempotency-key': randomUUID() }
  const patch = () =>
    api.call({ method: 'PATCH', url: '/1.0/instances/c2', payload: { config: { 'user.a': '1' } }, headers })
  const first = patch()
  let pending: string | undefined
  while (pending === undefined)
    pending = (await api.store.recent('default', Date.now() + 60_000)).find(({ state }) => state === 'pending')?.id
  await endOperation(api.store, pending)
  expect(await first).toMatchObject({ status: 200, body: { metadata: {} } })
  expect(await patch()).toMatchObject({ status: 200, body: { metadata: {} } })
})

test('a key that is too long is refused', async () => {
  expect(await start('x'.repeat(256))).toMatchObject({ status: 400 })
})
