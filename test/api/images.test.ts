import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Services } from '../../src/app.ts'
import type { ImagesPost } from '../../src/contract/image.ts'
import type { UploadInfo } from '../../src/services/image-upload.ts'
import { accepted } from '../ports/samples.ts'
import { absent } from '../support/absent.ts'
import { startApi, type TestApi } from '../support/api.ts'

let api: TestApi
const seen: {
  upload: { project: string; name: string; bytes: Buffer; info: UploadInfo } | undefined
  create: ImagesPost | undefined
} = {
  upload: undefined,
  create: undefined,
}

/** Images that only take down what they are asked. */
function listening({ operations }: Services): Partial<Services> {
  const operation = () =>
    operations.submit(
      { requestor: { username: 'admin', protocol: 'token', address: '' }, role: 'admin', projects: null },
      {
        kind: 'image.delete',
        input: { image: 'i1' },
        project: 'default',
        member: 'local',
        entity: accepted().entity,
        resources: null,
      },
    )
  return {
    images: absent<Services['images']>('images', {
      upload: async (_caller, project, parts, info) => {
        for await (const { name, content } of parts) seen.upload = { project, name, bytes: await buffer(content), info }
        return operation()
      },
      create: async (_caller, _project, body) => {
        seen.create = body
        return operation()
      },
      export: async (_caller, _project, fingerprint) => ({
        filename: `${fingerprint}.tar.gz`,
        size: 3,
        content: Readable.from([Buffer.from('abc')]),
      }),
    }),
  }
}

beforeAll(async () => {
  api = await startApi({ services: listening })
})
beforeEach(() => {
  seen.upload = undefined
  seen.create = undefined
})
afterAll(() => api[Symbol.asyncDispose]())

const post = (payload: string | Buffer | Readable, headers: Record<string, string> = {}) =>
  api.call({ method: 'POST', url: '/1.0/images?project=shop', payload, headers })

test.each(['application/octet-stream', 'application/x-tar', undefined])(
  'a body of type %s is an upload',
  async (type) => {
    const bytes = Buffer.alloc(2 * 1024 * 1024, 'x')
    const headers = {
      'x-lxd-filename': 'a.tar',
      'x-lxd-properties': 'os=a',
      'transfer-encoding': 'chunked',
      ...(type !== undefined && { 'content-type': type }),
    }
    expect(await post(Readable.from([bytes]), headers)).toMatchObject({ status: 202 })
    expect(seen.upload?.bytes.equals(bytes)).toBe(true)
    expect(seen.upload).toMatchObject({ project: 'shop', info: { filename: 'a.tar', properties: { os: 'a' } } })
  },
)

test('a JSON body publishes or pulls', async () => {
  const body = { source: { type: 'image', alias: 'alpine:3.20' }, aliases: null, properties: null }
  expect(await post(JSON.stringify(body), { 'content-type': 'application/json' })).toMatchObject({ status: 202 })
  expect(seen.create).toEqual(body)
})

// What `curl -d` and `curl --data-binary` say of every body.
const form = { 'content-type': 'application/x-www-form-urlencoded' }

test('JSON that curl sends without saying so publishes or pulls', async () => {
  const body = { source: { type: 'instance', name: 'c1' } }
  expect(await post(` ${JSON.stringify(body)}`, form)).toMatchObject({ status: 202 })
  expect(seen.create).toEqual(body)
})

test.each([2 * 1024 * 1024, 1, 0])('%i bytes that are no JSON are an upload of curl’s', async (size) => {
  const bytes = Buffer.alloc(size, 'x')
  expect(await post(Readable.from([bytes]), { ...form, 'transfer-encoding': 'chunked' })).toMatchObject({ status: 202 })
  expect(seen.upload?.bytes.equals(bytes)).toBe(true)
})

const split = (...parts: [name: string, content: Buffer][]) =>
  Buffer.concat([
    ...parts.flatMap(([name, content]) => [
      Buffer.from(`--b0\r\nContent-Disposition: form-data; name="${name}"; filename="${name}.tar.xz"\r\n\r\n`),
      content,
      Buffer.from('\r\n'),
    ]),
    Buffer.from('--b0--\r\n'),
  ])
const multipart = { 'content-type': 'multipart/form-data; boundary=b0' }

test.each([1, 7, 65_536])('an image in two files comes part by part, also in pieces of %i bytes', async (size) => {
  const rootfs = Buffer.concat([Buffer.from('\r\n--b'), Buffer.alloc(3000, 'r\r\n--'), Buffer.from('\r\n-')])
  const body = split(['metadata', Buffer.from('meta')], ['rootfs', rootfs])
  const pieces = Array.from({ length: Math.ceil(body.length / size) }, (_, at) =>
    body.subarray(at * size, (at + 1) * size),
  )
  expect(await post(Readable.from(pieces), multipart)).toMatchObject({ status: 202 })
  expect(seen.upload).toMatchObject({ name: 'rootfs' })
  expect(seen.upload?.bytes.equals(rootfs)).toBe(true)
})

test.each([
  ['another part', split(['carrot', Buffer.from('x')]), 400, 'Invalid multipart image'],
  ['a virtual machine', split(['rootfs.img', Buffer.from('x')]), 415, 'Images of virtual machines'],
  ['an end in the middle', split(['metadata', Buffer.alloc(3000)]).subarray(0, 2000), 400, 'ends before its last part'],
  ['no boundary at all', Buffer.alloc(100_000, 'x'), 400, 'does not begin with its boundary'],
  ['an endless header', Buffer.from(`--b0\r\n${'x'.repeat(100_000)}`), 400, 'too large a header'],
] as const)('of a multipart body %s is refused', async (_name, body, status, said) => {
  expect(await post(body, multipart)).toMatchObject({ status, body: { error: expect.stringContaining(said) } })
})

test('JSON that does not fit is refused in words', async () => {
  const json = { 'content-type': 'application/json' }
  expect(await post('{"source":{"type":1}}', json)).toMatchObject({
    status: 400,
    body: { error: 'Invalid body: source.type must be string' },
  })
  expect(seen).toEqual({ upload: undefined, create: undefined })
})

test('an export is the bytes, with the name clients look at', async () => {
  expect(await api.call({ url: '/1.0/images/5a0d/export' })).toMatchObject({
    status: 200,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': '3',
      'content-disposition': 'inline;filename=5a0d.tar.gz',
    },
    body: 'abc',
  })
})
