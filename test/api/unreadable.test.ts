import { afterAll, beforeAll, expect, test } from 'vitest'
import { acceptance, operationId } from '../ports/samples.ts'
import { startApi, type TestApi } from '../support/api.ts'

// One damaged record among others, as clients meet it.

let api: TestApi
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api[Symbol.asyncDispose]())

const get = (url: string) => api.call({ method: 'GET', url })

/** The first key that ends so. */
async function keyOf(end: string): Promise<string> {
  const script = `local keys = redis.call('KEYS', '*' .. ARGV[1]) redis.call('SET', 'found', keys[1]) return redis.status_reply(keys[1])`
  return (await api.redis.command('EVAL', script, '0', end)).slice(1)
}

test('an operation that cannot be read is shown as such in every list, and the others with it', async () => {
  const created = Date.now()
  const [good, bad] = [operationId(), operationId()]
  for (const id of [good, bad]) await api.store.accept(acceptance({}, { id, created }))
  await api.redis.command('HSET', await keyOf(`op:${bad}`), 'rec', '{"v":9}')
  for (const url of ['/1.0/operations', '/1.0/operations?recursion=1', '/1.0/operations?history=true&limit=10']) {
    const { status, body } = await get(url)
    expect([url, status]).toEqual([url, 200])
    expect(JSON.stringify(body)).toContain(good)
    expect(JSON.stringify(body)).toContain(bad)
  }
  const err = expect.stringContaining('version 9')
  expect(await get(`/1.0/operations/${bad}`)).toMatchObject({ status: 200, body: { metadata: { id: bad, err } } })
  expect(await get(`/jobs/${bad}`)).toMatchObject({ status: 200, body: { status: 'pending' } })
})

test('a record that cannot be read is left out of its list', async () => {
  const raise = (key: string) => api.services.warnings.raise({ key, type: key, severity: 'low', message: key })
  await raise('good')
  await raise('bad')
  const bad = await api.records.find('warning', '', 'bad')
  await api.redis.command('HSET', await keyOf(`rec:warning:${bad?.uuid}`), 'body', '{"v":1,"name":7}')
  const { status, body } = await get('/1.0/warnings?recursion=1')
  expect([status, body]).toMatchObject([200, { metadata: [{ type: 'good' }] }])
})
