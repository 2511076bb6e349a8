import { request as httpRequest } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'
import type { TestWindlass } from '../support/windlass.ts'
import { hebergos, NOBODY, start, TOKEN } from './hebergos-kit.ts'

let windlass: TestWindlass
const { ask, make, makeRunning, makeForeign, clear } = hebergos(() => windlass)

beforeAll(async () => {
  windlass = await start()
})

afterAll(() => windlass?.[Symbol.asyncDispose]())
afterEach(clear)

describe('stats', () => {
  test('begin with the first question, go on, and are told by every API process', async () => {
    const id = await makeRunning('web1', { cpulimit: 0.2, commands: ['while :; do :; done'] })
    await makeForeign('others')
    await ask('POST /v1/container/start?id=others', 204)
    const { socket } = await windlass.startApi({ WINDLASS_HTTP: 'off' })
    const { body } = await ask(`GET /v1/container/stats?id=${id}&since=0`, 200)
    const [[at, first] = ['', undefined]] = Object.entries(Object(body))
    expect(Number(at)).toBeGreaterThan(Date.now() / 1000 - 20)
    expect(first).toEqual({
      memory: { used: expect.any(Number), limit: 0.125 },
      cpu: { usage_percent: 0, limit: 20 },
      net: { up: expect.any(Number), down: expect.any(Number), delta_up: 0, delta_down: 0 },
    })
    const busiest = async () => {
      const answer = await callApi(socket, { method: 'GET', path: `/v1/container/stats/?id=web1&since=${at}` })
      return Math.max(
        ...Object.values(Object(answer.body)).map((one) => Number(fieldOf(fieldOf(one, 'cpu'), 'usage_percent'))),
      )
    }
    await expect.poll(busiest, { timeout: 30_000, interval: 1000 }).toBeGreaterThan(1)
    expect(
      Object.values(Object((await ask('GET /v1/container/stats?id=others&since=0', 200)).body)).length,
    ).toBeGreaterThan(0)
    expect((await ask(`GET /v1/container/stats?id=${id}&since=99999999999&scale=day`, 200)).text).toBe('{}')
  })

  test('of what is not there are none, and what is missing is named', async () => {
    await ask('GET /v1/container/stats?id=nope&since=0', 200, '{}')
    await ask('GET /v1/container/stats?since=0', 400, 'missing id')
    await ask('GET /v1/container/stats?id=nope', 400, 'missing since')
    await ask('GET /v1/container/stats?id=nope&since=abc', 400, /since/)
  })
})

describe('bad requests', () => {
  test('unknown paths and wrong methods are answered as there', async () => {
    for (const path of ['/v1/container/foo', '/v1/git/nope', '/v1/env/x'])
      expect((await ask(`GET ${path}`, 404, '404 page not found\n')).headers['content-type']).toMatch(/^text\/plain/)
    for (const request of [
      'POST /v1/container',
      'POST /v1/container/',
      'GET /v1/container/start',
      'DELETE /v1/git/head',
    ])
      await ask(request, 405, '')
  })

  test('a body of whatever kind is dropped where none belongs, and must be JSON where one does', async () => {
    const id = await make('web1')
    await ask(`POST /v1/container/start?id=${id}`, 204, '', Buffer.from('id=other&{'))
    await ask('PUT /v1/container', 400, /JSON/, Buffer.from('{"name":'))
    await ask('PUT /v1/container', 400, /object/)
    await ask('PUT /v1/container', 413, /large/, Buffer.alloc(2 ** 20 + 1, ' '))
    await ask(`PATCH /v1/container?id=${id}`, 400, /memory/, { memory: 'much' })
    await ask(`PATCH /v1/container?id=nope`, 412, NOBODY, { memory: 1 })
    await ask('PATCH /v1/container', 400, 'missing id', { memory: 1 })
    await ask('DELETE /v1/container', 400, 'missing id')
  })

  test('the environment is told', async () => {
    const docker_sock = windlass.engine.dockerHost
    for (const path of ['/v1/env', '/v1/env/'])
      expect((await ask(`GET ${path}`, 200)).body).toEqual({
        docker_sock,
        port_area_size: '5000',
        base_image: 'busybox',
      })
  })
})

/** Over HTTP, with headers as they are. */
function fetchFrom(
  url: string | undefined,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; realm: unknown }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(new URL(path, url), { headers, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, text, realm: answer.headers['www-authenticate'] }),
      )
    })
    sent.on('error', reject).end()
  })
}

const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`x:${password}`).toString('base64')}` })

describe('authentication', () => {
  test('a token is the bearer or the password, and nothing is open by itself', async () => {
    const { url } = windlass.api
    const good = [{ authorization: `Bearer ${TOKEN}` }, basic(TOKEN)]
    for (const headers of good)
      expect(await fetchFrom(url, '/v1/container/', headers)).toMatchObject({ status: 200, text: '{}' })
    for (const headers of [{}, { authorization: 'Bearer wrong' }, basic('wrong')])
      expect(await fetchFrom(url, '/v1/container/', headers)).toMatchObject({
        status: 401,
        text: 'not authorized',
        realm: expect.stringContaining('Basic'),
      })
  })

  test('opened, it answers on loopback as an operator, but no page of another site', async () => {
    await makeForeign('mighty', { HostConfig: { Privileged: true } })
    const { url } = await windlass.startApi({ WINDLASS_OPEN_DIALECTS: 'hebergos' })
    expect(await fetchFrom(url, '/v1/container/')).toMatchObject({
      status: 200,
      text: expect.stringContaining('mighty'),
    })
    for (const headers of [
      { origin: 'http://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example' },
    ])
      expect(await fetchFrom(url, '/v1/container/', headers), JSON.stringify(headers)).toMatchObject({ status: 401 })
    const refused = await fetch(new URL('/v1/container/start?id=mighty', url), { method: 'POST' })
    expect(refused.status).toBe(403)
    expect(await refused.text()).toContain('is privileged')
  })
})
