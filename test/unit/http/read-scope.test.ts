import { once } from 'node:events'
import { request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import fastify from 'fastify'
import { expect, test } from 'vitest'
import type { App } from '../../../src/http/app-types.ts'
import { scopeReads } from '../../../src/http/read-scope.ts'
import { createReadScopes } from '../../../src/redis/read-scopes.ts'

test('hooks and handler of a request read in one scope, also after a body that came in pieces', async () => {
  const scopes = createReadScopes()
  let asked = 0
  const read = () =>
    scopes.check(async () => {
      asked += 1
      return 'fresh'
    })
  const app: App = fastify()
  scopeReads(app, scopes.open)
  app.addHook('onRequest', async () => void (await read()))
  app.post('/', async ({ body }) => {
    await read()
    await delay(1)
    await read()
    return body
  })
  await app.listen({ port: 0 })
  const { port } = app.server.address() as AddressInfo // it listens on a port
  const post = async (): Promise<string> => {
    const request = send({ port, method: 'POST', headers: { 'content-type': 'application/json' } })
    request.write('{"a":')
    await delay(10)
    request.end('1}')
    const [answer] = await once(request, 'response')
    return (await buffer(answer)).toString()
  }
  expect(await Promise.all([post(), post()])).toEqual(['{"a":1}', '{"a":1}'])
  await app.close()
  expect(asked).toBe(2)
})
