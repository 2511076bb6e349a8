import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi, type TestApi } from '../support/api.ts'

let api: TestApi
let engineIsThere = true
beforeAll(async () => {
  api = await startApi({
    engine: { ping: () => (engineIsThere ? Promise.resolve() : Promise.reject(new Error('away'))) },
  })
})
afterAll(() => api[Symbol.asyncDispose]())

const ready = (token?: string) => api.callAs(token, { url: '/readyz' })

test('ready when Redis, the engine and a worker are there', async () => {
  expect(await ready()).toMatchObject({ status: 200, body: { status: 'ok' } })
  expect(await api.callAs(undefined, { url: '/healthz' })).toMatchObject({ status: 200, body: { status: 'ok' } })
})

test('what is missing is told to those who have a token', async () => {
  engineIsThere = false
  api.counts.workers = 0
  expect(await ready()).toMatchObject({ status: 503, headers: { 'retry-after': '1' }, body: { status: 'unavailable' } })
  expect(await api.callAs(undefined, { url: '/healthz' })).toMatchObject({
    status: 503,
    body: { status: 'unavailable' },
  })
  expect((await ready()).body).not.toHaveProperty('missing')
  expect((await api.call({ url: '/readyz' })).body).toEqual({ status: 'unavailable', missing: ['workers', 'engine'] })
  engineIsThere = true
  api.counts.workers = 1
})

test('without Redis it is not ready, changes are refused with the time to come back, and then all is well again', async () => {
  await api.redis.kill()
  expect(await ready()).toMatchObject({ status: 503 })
  const began = Date.now()
  const refused = await api.call({ method: 'POST', url: '/1.0/auth/tokens', payload: { name: 'lost' } })
  expect(refused).toMatchObject({ status: 503, body: { type: 'error', error_code: 503 } })
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(Date.now() - began).toBeLessThan(1_000)
  await api.redis.restart()
  await expect.poll(async () => (await ready()).status, { timeout: 20_000 }).toBe(200)
})
