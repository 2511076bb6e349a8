/** The trust store as LXD's clients use it: certificates, trust tokens, the trust password. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { SERVER } from '../../src/services/caller.ts'
import { startApi, type Answer, type TestApi } from '../support/api.ts'
import { type Identity, makeIdentity } from '../support/client-certificate.ts'

let api: TestApi
/** The server's clock stands, and is set forward by tests; each begins far from the wrong guesses of the one before. */
let now = Date.now()
const FACTS = {
  address: '192.0.2.1:8443',
  addresses: ['192.0.2.1:8443'],
  certificate: 'PEM of the server',
  fingerprint: 'ab'.repeat(32),
}
beforeAll(async () => {
  const clock = { ...systemClock, now: () => now }
  api = await startApi({ https: FACTS, clock })
})
afterAll(() => api[Symbol.asyncDispose]())
beforeEach(() => {
  now += 600_000
})

const metadataOf = ({ body }: Answer) => Object(body).metadata
const list = async () => metadataOf(await api.call({ url: '/1.0/certificates?recursion=1' }))
const configure = (config: object) => api.call({ method: 'PATCH', url: '/1.0', payload: { config } })
const post = (payload: object, token?: string) =>
  api.callAs(token, { method: 'POST', url: '/1.0/certificates', payload })
const add = async (identity: Identity, more: object = {}) => {
  const payload = { certificate: identity.certificate, name: 'one', type: 'client', ...more }
  expect(await api.call({ method: 'POST', url: '/1.0/certificates', payload })).toMatchObject({
    status: 201,
    headers: { location: `/1.0/certificates/${identity.fingerprint}` },
    body: { metadata: null },
  })
}
/** The operation of a new trust token. */
const invite = async (more: object = {}) => {
  const payload = { name: 'laptop', type: 'client', restricted: false, projects: null, token: true, ...more }
  const answer = await api.call({ method: 'POST', url: '/1.0/certificates', payload })
  expect(answer.status).toBe(202)
  return metadataOf(answer)
}
/** What LXD's client makes of it and sends as a password. */
const tokenOf = ({ metadata }: { metadata: Record<string, unknown> }): string =>
  Buffer.from(JSON.stringify({ client_name: 'laptop', ...metadata })).toString('base64')
const join = (identity: Identity, password: string) =>
  post({ name: '', type: '', certificate: identity.certificate, password })

describe('certificates', () => {
  test('are added, listed, read by a beginning, changed and removed', async () => {
    const one = makeIdentity('root@one')
    await add(one)
    const view = {
      name: 'one',
      type: 'client',
      restricted: false,
      projects: [],
      certificate: expect.stringContaining('-----BEGIN CERTIFICATE-----'),
      fingerprint: one.fingerprint,
      role: 'admin',
    }
    expect(await list()).toEqual([view])
    const url = `/1.0/certificates/${one.fingerprint}`
    expect(metadataOf(await api.call({ url: '/1.0/certificates' }))).toEqual([url])
    const { headers } = await api.call({ url: `/1.0/certificates/${one.fingerprint.slice(0, 12)}` })
    const change = (method: 'PUT' | 'PATCH', payload: object, etag?: Answer['headers'][string]) =>
      api.call({ method, url, payload, headers: etag === undefined ? {} : { 'if-match': String(etag) } })
    expect(await change('PUT', { name: 'two', restricted: true, projects: ['nosuch'] })).toMatchObject({
      status: 400,
      body: { error: 'There is no project "nosuch"' },
    })
    expect(await change('PUT', { name: 'two', type: 'client', restricted: true }, headers['etag'])).toMatchObject({
      status: 200,
    })
    expect(metadataOf(await api.call({ url }))).toEqual({ ...view, name: 'two', restricted: true, role: 'operator' })
    expect((await change('PUT', { name: 'three' }, headers['etag'])).status).toBe(412)
    expect((await change('PATCH', { role: 'viewer' })).status).toBe(200)
    expect((await change('PATCH', { name: 'four' })).status).toBe(200)
    expect(metadataOf(await api.call({ url }))).toMatchObject({ name: 'four', restricted: true, role: 'viewer' })
    expect(
      (await api.call({ method: 'DELETE', url: `/1.0/certificates/${one.fingerprint.slice(0, 12)}` })).status,
    ).toBe(200)
    expect(await list()).toEqual([])
    expect(await api.call({ method: 'DELETE', url })).toMatchObject({
      status: 404,
      body: { error: 'Certificate not found' },
    })
  })

  test('are told of by lifecycle events, to those who are bound to no project', async () => {
    const one = makeIdentity('root@told')
    const told = { all: [] as unknown[], some: [] as unknown[] }
    const follow = (projects: string[] | null, heard: unknown[]) =>
      api.services.events.follow(
        { ...SERVER, projects },
        { types: new Set(['lifecycle']), project: undefined, after: undefined },
        { event: (_id, event) => void heard.push(event), failed: () => undefined },
      )
    const stops = [follow(null, told.all), follow(['default'], told.some)]
    await add(one)
    await expect
      .poll(() => told.all)
      .toContainEqual(
        expect.objectContaining({
          metadata: expect.objectContaining({
            action: 'certificate-created',
            source: `/1.0/certificates/${one.fingerprint}`,
          }),
        }),
      )
    expect(told.some).toEqual([])
    stops.forEach((stop) => stop())
  })

  test('are trusted once', async () => {
    const one = makeIdentity('root@twice')
    await add(one)
    const again = { certificate: one.certificate, name: 'again', type: 'client' }
    expect(await api.call({ method: 'POST', url: '/1.0/certificates', payload: again })).toMatchObject({
      status: 409,
      body: { error: 'Certificate already in trust store' },
    })
  })

  test.each([
    [{}, 'No certificate: give one'],
    [{ certificate: 'bm90IG9uZQ==' }, 'Invalid certificate'],
    [{ certificate: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' }, 'Invalid certificate'],
    [{ type: 'metrics' }, 'Certificates of type "metrics" are not taken'],
    [{ name: 'a\nb' }, 'Invalid certificate name'],
    [{ restricted: 'yes' }, 'Invalid body: restricted must be boolean'],
    [{ token: true, certificate: 'x' }, 'A trust token is for a client whose certificate is not known yet'],
  ])('%j is refused', async (more, words) => {
    const given = 'name' in more || 'type' in more ? { certificate: makeIdentity('x').certificate } : {}
    expect(await api.call({ method: 'POST', url: '/1.0/certificates', payload: { ...given, ...more } })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining(words) },
    })
  })

  test("are the business of the server's admins", async () => {
    const one = makeIdentity('root@business')
    await add(one)
    for (const token of [await api.token('operator'), await api.token('admin', ['default'])]) {
      expect((await post({ certificate: makeIdentity('x').certificate }, token)).status).toBe(403)
      expect((await post({ token: true }, token)).status).toBe(403)
      expect(metadataOf(await api.callAs(token, { url: '/1.0/certificates' }))).toEqual([])
      const url = `/1.0/certificates/${one.fingerprint}`
      expect((await api.callAs(token, { url })).status).toBe(404)
      expect((await api.callAs(token, { method: 'DELETE', url })).status).toBe(403)
      expect((await api.callAs(token, { method: 'PUT', url, payload: {} })).status).toBe(403)
      expect((await api.callAs(token, { method: 'PATCH', url: '/1.0', payload: { config: {} } })).status).toBe(403)
    }
  })
})

describe('trust tokens', () => {
  test('are operations that wait, known to admins of the server only', async () => {
    const operation = await invite()
    expect(operation).toMatchObject({
      class: 'token',
      description: 'Executing operation',
      status: 'Running',
      status_code: 103,
      resources: null,
      may_cancel: true,
      metadata: {
        addresses: FACTS.addresses,
        fingerprint: FACTS.fingerprint,
        request: {
          name: 'laptop',
          type: 'client',
          restricted: false,
          projects: [],
          certificate: '',
          password: '',
          token: true,
        },
        secret: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    })
    const url = `/1.0/operations/${operation.id}`
    const listed = metadataOf(await api.call({ url: '/1.0/operations?project=default&recursion=1' }))
    expect(listed.running).toContainEqual(expect.objectContaining({ id: operation.id, metadata: operation.metadata }))
    const other = await api.token('admin')
    expect(metadataOf(await api.callAs(other, { url })).metadata.secret).toBe(operation.metadata.secret)
    for (const token of [await api.token('operator'), await api.token('admin', ['default'])]) {
      // As of an id that nothing has any more.
      expect((await api.callAs(token, { url })).status).toBe(410)
      expect((await api.callAs(token, { method: 'DELETE', url })).status).toBe(410)
      expect(JSON.stringify((await api.callAs(token, { url: '/1.0/operations' })).body)).not.toContain(operation.id)
      expect(JSON.stringify((await api.callAs(token, { url: '/1.0/operations?history=true' })).body)).not.toContain(
        operation.id,
      )
    }
  })

  test('let one client in, with what was granted', async () => {
    const operation = await invite({ restricted: true, projects: ['docker'] })
    const [one, two] = [makeIdentity('root@one'), makeIdentity('root@two')]
    const joined = await Promise.all([join(one, tokenOf(operation)), join(two, tokenOf(operation))])
    expect(joined.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 403])
    expect(await list()).toContainEqual(
      expect.objectContaining({ name: 'laptop', restricted: true, projects: ['docker'], role: 'operator' }),
    )
    const ended = metadataOf(await api.call({ url: `/1.0/operations/${operation.id}` }))
    expect(ended).toMatchObject({ status: 'Success', may_cancel: false })
    expect(JSON.stringify(ended)).not.toContain(operation.metadata.secret)
    expect(await join(makeIdentity('x'), tokenOf(operation))).toMatchObject({
      status: 403,
      body: { error: 'not authorized' },
    })
  })

  test('are not used up by a certificate that is trusted already', async () => {
    const one = makeIdentity('root@known')
    await add(one)
    const operation = await invite()
    expect((await join(one, tokenOf(operation))).status).toBe(409)
    expect((await join(makeIdentity('x'), tokenOf(operation))).status).toBe(201)
  })

  test('are revoked by cancelling them', async () => {
    const operation = await invite()
    expect((await api.call({ method: 'DELETE', url: `/1.0/operations/${operation.id}` })).status).toBe(200)
    expect((await join(makeIdentity('x'), tokenOf(operation))).status).toBe(403)
  })

  test('expire when core.remote_token_expiry says so', async () => {
    expect(await configure({ 'core.remote_token_expiry': 'soon' })).toMatchObject({ status: 400 })
    expect(await configure({ 'core.remote_token_expiry': '15M' })).toMatchObject({ status: 200 })
    const operation = await invite()
    expect(Date.parse(operation.metadata.expiresAt)).toBe(now + 900_000)
    now += 901_000
    expect(await join(makeIdentity('x'), tokenOf(operation))).toMatchObject({
      status: 403,
      body: { error: 'The trust token has expired' },
    })
    await configure({ 'core.remote_token_expiry': '' })
    await api.trust.expire()
    expect(metadataOf(await api.call({ url: `/1.0/operations/${operation.id}` }))).toMatchObject({
      status: 'Cancelled',
    })
  })
})

test('trust tokens cannot be guessed for long', async () => {
  const wrong = tokenOf({ metadata: { secret: 'a guess' } })
  for (let at = 0; at < 20; at++) expect((await join(makeIdentity('x'), wrong)).status).toBe(403)
  expect((await join(makeIdentity('x'), wrong)).status).toBe(429)
})

describe('the trust password', () => {
  const PASSWORD = 'correct horse battery staple'

  test('lets clients in where one is set, and is kept as a hash', async () => {
    const one = makeIdentity('root@one')
    expect((await join(one, PASSWORD)).status).toBe(403)
    expect((await configure({ 'core.trust_password': PASSWORD, 'user.a': 'b' })).status).toBe(200)
    expect((await join(one, `${PASSWORD}.`)).status).toBe(403)
    expect((await join(one, PASSWORD)).status).toBe(201)
    expect(await list()).toContainEqual(expect.objectContaining({ name: 'root@one', restricted: false, role: 'admin' }))
    const { config } = metadataOf(await api.call({ url: '/1.0' }))
    expect(config).toEqual({ 'core.https_address': FACTS.address, 'core.trust_password': true, 'user.a': 'b' })
    expect(JSON.stringify(await api.records.list('server'))).not.toContain(PASSWORD)
    // LXD's client sends back all that it has read.
    const put = (changed: object) => api.call({ method: 'PUT', url: '/1.0', payload: { config: changed } })
    expect((await put({ ...config, 'user.a': 'c' })).status).toBe(200)
    expect((await join(makeIdentity('x'), PASSWORD)).status).toBe(201)
    const { 'core.trust_password': _set, ...without } = config
    expect((await put(without)).status).toBe(200)
    expect((await join(makeIdentity('x'), PASSWORD)).status).toBe(403)
  })

  test('cannot be guessed for long', async () => {
    await configure({ 'core.trust_password': PASSWORD })
    const statuses = []
    for (let at = 0; at < 6; at++) statuses.push((await join(makeIdentity('x'), `guess ${at}`)).status)
    expect(statuses).toEqual([403, 403, 403, 403, 403, 429])
    expect(await join(makeIdentity('x'), PASSWORD)).toMatchObject({
      status: 429,
      headers: { 'retry-after': expect.stringMatching(/^[0-9]+$/) },
      body: { error: 'Too many wrong secrets from this address' },
    })
    expect((await join(makeIdentity('x'), tokenOf(await invite()))).status).toBe(201)
    now += 1_000
    expect((await join(makeIdentity('x'), PASSWORD)).status).toBe(201)
    await configure({ 'core.trust_password': '' })
  })
})

test('core.https_address is where the server listens, and nothing else', async () => {
  const { headers } = await api.call({ url: '/1.0' })
  expect((await configure({ 'core.https_address': FACTS.address })).status).toBe(200)
  const refused = {
    status: 400,
    body: {
      error: "cannot set 'core.https_address': the listener is where the server's setting WINDLASS_HTTPS says",
    },
  }
  expect(await configure({ 'core.https_address': '[::]:8443' })).toMatchObject(refused)
  expect(await configure({ 'core.https_address': '' })).toMatchObject(refused)
  const put = (more: Record<string, string>) =>
    api.call({ method: 'PUT', url: '/1.0', payload: { config: { 'user.b': 'c' } }, headers: more })
  expect(await put({ 'if-match': String(headers['etag']) })).toMatchObject({ status: 412 })
  expect(await put({ 'if-match': String((await api.call({ url: '/1.0' })).headers['etag']) })).toMatchObject(refused)
  expect((await put({})).status).toBe(200)
  expect(metadataOf(await api.call({ url: '/1.0' }))).toMatchObject({
    config: { 'core.https_address': FACTS.address, 'user.b': 'c' },
    environment: {
      addresses: FACTS.addresses,
      certificate: FACTS.certificate,
      certificate_fingerprint: FACTS.fingerprint,
    },
  })
})

test('wrong tokens are looked at no more after many, right ones that were used before are', async () => {
  const used = await api.token('viewer')
  const unused = await api.token('viewer')
  const ask = async (token: string) => (await api.callAs(token, { url: '/1.0/operations' })).status
  expect(await ask(used)).toBe(200)
  for (let at = 0; at < 20; at++) expect(await ask(`wrong-${at}`)).toBe(403)
  expect(await ask('wrong')).toBe(429)
  expect(await ask(unused)).toBe(429)
  expect(await ask(used)).toBe(200)
  now += 2_000
  expect(await ask(unused)).toBe(200)
})
