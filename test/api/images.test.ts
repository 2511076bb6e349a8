import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Services } from '../../src/app.ts'
import type { ImagesPost } from '../../src/contract/image.ts'
import type { UploadInfo } from '../../src/services/image-creation.ts'
import { accepted } from '../ports/samples.ts'
import { absent } from '../support/absent.ts'
import { startApi, type TestApi } from '../support/api.ts'

let api: TestApi
const seen: {
  upload: { project: string; bytes: Buffer; info: UploadInfo } | undefined
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
      upload: async (_caller, project, content, info) => {
        seen.upload = { project, bytes: await buffer(content), info }
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

test('JSON that does not fit, and split images, are refused in words', async () => {
  const json = { 'content-type': 'application/json' }
  expect(await post('{"source":{"type":1}}', json)).toMatchObject({
    status: 400,
    body: { error: 'Invalid body: source.type must be string' },
  })
  expect(await post('--a', { 'content-type': 'multipart/form-data; boundary=a' })).toMatchObject({
    status: 415,
    body: { error: expect.stringContaining('Split images') },
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
