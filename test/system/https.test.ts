/** The HTTPS listener as a client without `lxc` meets it. */
import { createHash, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect as connectBare } from 'node:net'
import { connect } from 'node:tls'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { fieldOf } from '../../src/setup/api-client.ts'
import { askSecurely, makeIdentity, type Identity, type SecureAsk } from '../support/client-certificate.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

const TOKEN = 'the-token-of-the-https-tests'
let windlass: TestWindlass
let url: string
beforeAll(async () => {
  windlass = await startWindlass({
    workers: 0,
    env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_HTTPS: '127.0.0.1:0', WINDLASS_TOKEN: TOKEN },
  })
  url = windlass.api.https ?? ''
})
afterAll(() => windlass?.[Symbol.asyncDispose]())

const ask = (request: SecureAsk) => askSecurely(url, request)
const trust = async (identity: Identity, more: object = {}) => {
  const body = { certificate: identity.certificate, name: 'test', type: 'client', ...more }
  expect((await windlass.call('POST', '/1.0/certificates', body)).status).toBe(201)
}
const view = async (request: Omit<SecureAsk, 'path'> = {}) =>
  fieldOf((await ask({ ...request, path: '/1.0' })).body, 'metadata')

test('it speaks TLS 1.3 only, with the certificate of the data directory', async () => {
  const pem = await readFile(join(windlass.dataDir, 'server.crt'), 'utf8')
  const certificate = new X509Certificate(pem)
  const fingerprint = createHash('sha256').update(certificate.raw).digest('hex')
  expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'secp384r1' })
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(await ask({ path: '/' })).toMatchObject({ status: 200, protocol: 'TLSv1.3', server: fingerprint })
  expect(await view({ token: TOKEN })).toMatchObject({
    auth: 'trusted',
    auth_methods: ['tls', 'token'],
    environment: { addresses: [new URL(url).host], certificate: pem, certificate_fingerprint: fingerprint },
  })
  const old = connect({ port: Number(new URL(url).port), rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
  const refused = await new Promise<Error>((resolve) => old.once('error', resolve))
  expect(refused.message).toContain('protocol version')
})

test('API processes of one data directory show the same certificate', async () => {
  const others = await Promise.all([windlass.startApi(), windlass.startApi()])
  const one = await ask({ path: '/' })
  for (const { https = '' } of others)
    expect(await askSecurely(https, { path: '/' })).toMatchObject({ status: 200, server: one.server })
  const known = makeIdentity('root@everywhere')
  await trust(known)
  for (const { https = '' } of others)
    expect((await askSecurely(https, { path: '/1.0/instances', identity: known })).status).toBe(200)
})

test('a stranger is shown the way in and nothing else, with a certificate or without', async () => {
  for (const stranger of [{}, { identity: makeIdentity('root@nobody') }, { token: 'a-wrong-token-of-some-length' }]) {
    expect(await view(stranger)).not.toHaveProperty('environment')
    expect(await view(stranger)).toMatchObject({ auth: 'untrusted', auth_methods: ['tls', 'token'] })
    for (const path of ['/1.0/instances', '/1.0/certificates', '/1.0/operations', '/1.0/events', '/1.0/projects'])
      expect(await ask({ ...stranger, path })).toMatchObject({ status: 403, body: { error: 'not authorized' } })
    expect(await ask({ ...stranger, path: '/1.0/images' })).toMatchObject({ status: 200, body: { metadata: [] } })
    expect((await ask({ ...stranger, path: '/1.0/images/nosuch' })).status).toBe(404)
    expect((await ask({ ...stranger, path: '/1.0/images/aliases/nosuch' })).status).toBe(404)
    expect((await ask({ ...stranger, path: '/1.0/images/nosuch', method: 'DELETE' })).status).toBe(403)
  }
})

test('a certificate is trusted while it is valid and in the trust store', async () => {
  const good = makeIdentity('root@good')
  const hour = 3_600_000
  const late = makeIdentity('root@late', { begins: new Date(Date.now() - 2 * hour), ends: new Date(Date.now() - hour) })
  const early = makeIdentity('root@early', { begins: new Date(Date.now() + hour) })
  for (const identity of [good, late, early]) await trust(identity)
  expect(await view({ identity: good })).toMatchObject({ auth: 'trusted' })
  expect(await view({ identity: late })).toMatchObject({ auth: 'untrusted' })
  expect(await view({ identity: early })).toMatchObject({ auth: 'untrusted' })
  expect((await windlass.call('DELETE', `/1.0/certificates/${good.fingerprint}`)).status).toBe(200)
  expect(await view({ identity: good })).toMatchObject({ auth: 'untrusted' })
})

test('a browser does not show a certificate for another site', async () => {
  const identity = makeIdentity('root@browser')
  await trust(identity)
  const from = (headers: Record<string, string>) => view({ identity, headers })
  expect(await from({ origin: new URL(url).origin })).toMatchObject({ auth: 'trusted' })
  expect(await from({ origin: 'https://elsewhere.example' })).toMatchObject({ auth: 'untrusted' })
  expect(await from({ 'sec-fetch-site': 'cross-site' })).toMatchObject({ auth: 'untrusted' })
})

test('what its client does is done in its name', async () => {
  const identity = makeIdentity('root@named')
  await trust(identity)
  const socket = new WebSocket(`${url.replace('https', 'wss')}/1.0/events?type=lifecycle`, {
    rejectUnauthorized: false,
    key: identity.key,
    cert: identity.certificate,
  })
  const heard = new Promise<string>((resolve) => socket.once('message', (data: Buffer) => resolve(data.toString())))
  await new Promise((resolve) => socket.once('open', resolve))
  const body = { name: 'p1', config: {}, description: '', devices: {} }
  expect((await ask({ method: 'POST', path: '/1.0/profiles', body, identity })).status).toBe(201)
  expect(JSON.parse(await heard)).toMatchObject({
    metadata: {
      action: 'profile-created',
      requestor: { username: identity.fingerprint, protocol: 'tls', address: '127.0.0.1' },
    },
  })
  socket.terminate()
  await windlass.call('DELETE', '/1.0/profiles/p1')
})

test('a role and projects bind a certificate as they bind a token', async () => {
  expect((await windlass.call('POST', '/1.0/projects', { name: 'shop' })).status).toBe(201)
  const [viewer, bound] = [makeIdentity('root@viewer'), makeIdentity('root@bound')]
  await trust(viewer, { role: 'viewer' })
  await trust(bound, { restricted: true, projects: ['shop'] })
  const make = (identity: Identity, project: string) =>
    ask({ method: 'POST', path: `/1.0/profiles?project=${project}`, body: { name: 'p2' }, identity })
  expect((await make(viewer, 'default')).status).toBe(403)
  expect((await make(bound, 'default')).status).toBe(404)
  expect((await make(bound, 'shop')).status).toBe(201)
  expect((await ask({ path: '/1.0/projects', identity: bound })).body).toMatchObject({
    metadata: ['/1.0/projects/shop'],
  })
  expect((await ask({ path: '/1.0/profiles?project=default', identity: bound })).body).not.toMatchObject({
    metadata: expect.arrayContaining(['/1.0/profiles/default']),
  })
  expect((await ask({ path: '/1.0/certificates', identity: bound })).body).toMatchObject({
    metadata: [`/1.0/certificates/${bound.fingerprint}`],
  })
})

test('what is no TLS, or no HTTP in it, is cut off, and the server goes on', async () => {
  const port = Number(new URL(url).port)
  const bare = connectBare(port, '127.0.0.1')
  bare.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await text(bare).catch(() => '')).not.toContain('HTTP/1.1 200')
  const odd = connect({ port, rejectUnauthorized: false })
  odd.end('NONSENSE\r\n\r\n')
  expect(await text(odd)).toMatch(/^HTTP\/1\.1 400 /)
  const pinned = connect({ port, rejectUnauthorized: true })
  expect((await new Promise<Error>((resolve) => pinned.once('error', resolve))).message).toContain('self-signed')
  expect((await ask({ path: '/' })).status).toBe(200)
})

test('a port that is taken is one sentence that names the setting', async () => {
  const taken = new URL(url).host
  await expect(windlass.startApi({ WINDLASS_HTTPS: taken })).rejects.toThrow(
    new RegExp(`\\n${taken} is in use by another program: set WINDLASS_HTTPS=.*\\(or WINDLASS_HTTPS=off\\)\\.\\n$`),
  )
})
