import { afterAll, beforeAll, expect, test } from 'vitest'
import { startApi, type TestApi } from '../support/api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api[Symbol.asyncDispose]())

const make = (payload: object, token?: string) => {
  const request = { method: 'POST', url: '/1.0/auth/tokens', payload } as const
  return token === undefined ? api.call(request) : api.callAs(token, request)
}
const secretOf = ({ body }: { body: unknown }): string => Object(body).metadata.token

test('a token is made, used, listed without its secret, and revoked', async () => {
  const made = await make({ name: 'ci', role: 'operator', description: 'builds' })
  expect(made).toMatchObject({
    status: 201,
    headers: { location: '/1.0/auth/tokens/ci' },
    body: { metadata: { name: 'ci', role: 'operator', projects: null, token: expect.stringMatching(/^wl_.{43}$/) } },
  })
  const secret = secretOf(made)
  expect((await api.callAs(secret, { url: '/1.0/operations' })).status).toBe(200)
  const { body } = await api.call({ url: '/1.0/auth/tokens?recursion=1' })
  expect(JSON.stringify(body)).not.toContain(secret)
  expect(JSON.stringify(body)).not.toContain('hash')
  expect((await api.call({ url: '/1.0/auth/tokens' })).body).toMatchObject({
    metadata: ['/1.0/auth/tokens/admin', '/1.0/auth/tokens/ci'],
  })
  expect(await api.call({ method: 'DELETE', url: '/1.0/auth/tokens/ci' })).toMatchObject({ status: 200 })
  expect(await api.callAs(secret, { url: '/1.0/operations' })).toMatchObject({
    status: 403,
    body: { error: 'not authorized' },
  })
  expect(await api.call({ url: '/1.0/auth/tokens/ci' })).toMatchObject({
    status: 404,
    body: { error: 'Token not found' },
  })
})

test('what is stored cannot be used to sign in', async () => {
  const secret = secretOf(await make({ name: 'stored', role: 'admin' }))
  const record = await api.records.find('token', '', 'stored')
  expect(JSON.stringify(record)).not.toContain(secret)
  expect((await api.callAs(record?.hash, { url: '/1.0/operations' })).status).toBe(403)
})

test('an expired token is not authorized', async () => {
  const secret = secretOf(await make({ name: 'old', role: 'admin', expires_at: '2020-01-01T00:00:00Z' }))
  expect((await api.callAs(secret, { url: '/1.0/operations' })).status).toBe(403)
  expect((await api.callAs(secret, { url: '/1.0' })).body).toMatchObject({ metadata: { auth: 'untrusted' } })
})

test('only an admin makes tokens, and none that reaches further than itself', async () => {
  expect((await make({ name: 'x' }, await api.token('operator'))).status).toBe(403)
  const shop = await api.token('admin', ['shop'])
  expect((await make({ name: 'x', role: 'viewer' }, shop)).status).toBe(403)
  expect((await make({ name: 'x', role: 'viewer', projects: ['shop', 'other'] }, shop)).status).toBe(403)
  expect((await make({ name: 'shop-viewer', role: 'viewer', projects: ['shop'] }, shop)).status).toBe(201)
  expect((await api.callAs(shop, { url: '/1.0/auth/tokens/admin' })).status).toBe(404)
})

test.each([
  [{}, 'Invalid token name'],
  [{ name: 'a b' }, 'Invalid token name'],
  [{ name: 'a', role: 'root' }, 'Invalid body: role'],
  [{ name: 'a', expires_at: 'tomorrow' }, 'Invalid expires_at "tomorrow"'],
])('%j is refused', async (payload, words) => {
  expect(await make(payload)).toMatchObject({ status: 400, body: { error: expect.stringContaining(words) } })
})

test('the token of the first start is adopted again and again, and can be changed', async () => {
  await api.services.tokens.adopt('first', 'a secret of sixteen characters', 'admin')
  await api.services.tokens.adopt('first', 'a secret of sixteen characters', 'admin')
  const revBefore = (await api.records.find('token', '', 'first'))?.rev
  expect(revBefore).toBe(1)
  await api.services.tokens.adopt('first', 'another-secret-of-sixteen', 'admin')
  expect((await api.callAs('another-secret-of-sixteen', { url: '/1.0/operations' })).status).toBe(200)
  await expect(api.services.tokens.adopt('first', 'short', 'admin')).rejects.toThrow('16 characters')
})
