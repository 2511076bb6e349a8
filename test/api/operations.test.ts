import { setTimeout as after } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Operation } from '../../src/contract/operation.ts'
import { beginOperation, endOperation, fakeInstances } from '../support/api-instances.ts'
import { startApi, type Answer, type TestApi } from '../support/api.ts'

let api: TestApi
beforeAll(async () => {
  api = await startApi({ services: fakeInstances })
})
afterAll(() => api[Symbol.asyncDispose]())

const start = (headers = {}, name = 'c1') =>
  api.call({ method: 'PUT', url: `/1.0/instances/${name}/state`, payload: { action: 'start' }, headers })
const shown = ({ body }: Answer): Operation => (body as { metadata: Operation }).metadata // checked against its schema on the way out
const idOf = (answer: Answer) => shown(answer).id

/** Starts an instance; the operation has ended when the test asks for the next one. */
async function started(): Promise<string> {
  return idOf(await start())
}

test('a 202 tells everything that is needed to follow the work', async () => {
  const answer = await start()
  const id = idOf(answer)
  expect(answer).toMatchObject({
    status: 202,
    headers: {
      location: `/1.0/operations/${id}`,
      link: `</jobs/${id}>; rel="monitor"`,
      'retry-after': '1',
    },
    body: {
      type: 'async',
      status: 'Operation created',
      status_code: 100,
      operation: `/1.0/operations/${id}`,
      error_code: 0,
      error: '',
      metadata: {
        class: 'task',
        description: 'Starting instance',
        status: 'Pending',
        status_code: 105,
        resources: { instances: ['/1.0/instances/c1'], containers: ['/1.0/containers/c1'] },
        metadata: null,
        may_cancel: true,
        err: '',
        location: 'none',
      },
    },
  })
  await endOperation(api.store, id)
})

test('a second operation on a busy instance is refused with the first one’s URL', async () => {
  const id = await started()
  expect(await start()).toMatchObject({
    status: 409,
    body: { operation: `/1.0/operations/${id}`, error: 'Instance is busy running a "start" operation' },
  })
  await endOperation(api.store, id)
})

test('it is listed by status, as URLs and as objects', async () => {
  const id = await started()
  await beginOperation(api.store, id)
  const list = async (query = '') => (await api.call({ url: `/1.0/operations${query}` })).body
  expect(await list()).toMatchObject({ metadata: { running: [`/1.0/operations/${id}`] } })
  expect(await list('?recursion=1')).toMatchObject({
    metadata: { running: [{ id, status: 'Running', status_code: 103 }] },
  })
  expect(await list('?project=shop')).toMatchObject({ metadata: {} })
  expect(await list('?all-projects=true&recursion=x')).toMatchObject({
    metadata: { running: [`/1.0/operations/${id}`] },
  })
  await endOperation(api.store, id)
})

test('progress is shown as LXD clients print it', async () => {
  const id = await started()
  await beginOperation(api.store, id)
  const progress = { step: 1, steps: 2, name: 'pull', percent: 40, text: 'Pull: 40%' }
  await api.store.note({ id, epoch: 1, attempt: 1, token: id }, { progress, at: Date.now() })
  expect(shown(await api.call({ url: `/1.0/operations/${id}` }))).toMatchObject({
    metadata: { progress: { stage: 'pull', percent: '40' }, pull_progress: 'Pull: 40%' },
    windlass: { attempts: 1, progress },
  })
  await endOperation(api.store, id)
  // What was said half-way is not said of what has ended well.
  expect(shown(await api.call({ url: `/1.0/operations/${id}` })).windlass?.progress).toEqual({
    step: 2,
    steps: 2,
    name: 'pull',
    percent: 100,
  })
})

test('a success has come all the way, also where nothing was shown between its steps', async () => {
  const id = await started()
  const notes = ['plan', 'start'].map((name) => ({ name, at: Date.now(), attempt: 1, data: [] }))
  await endOperation(api.store, id, { notes })
  expect(shown(await api.call({ url: `/1.0/operations/${id}` })).windlass).toMatchObject({
    progress: { name: 'start', step: 2, steps: 2, percent: 100 },
  })
})

test('a failure is in the operation, and HTTP stays 200', async () => {
  const id = await started()
  await endOperation(api.store, id, { state: 'failure', err: 'No such image', code: 'not-found', undone: ['create'] })
  expect(await api.call({ url: `/1.0/operations/${id}` })).toMatchObject({
    status: 200,
    body: {
      metadata: {
        status: 'Failure',
        status_code: 400,
        err: 'No such image',
        windlass: { error_kind: 'not-found', undone: ['create'] },
      },
    },
  })
  expect(await api.call({ url: `/jobs/${id}` })).toMatchObject({
    status: 200,
    body: { status: 'failed', entity_type: 'instance', error: 'No such image' },
  })
})

test('a wait ends with the operation, and a timeout answers it as it is', async () => {
  const id = await started()
  expect(shown(await api.call({ url: `/1.0/operations/${id}/wait?timeout=0` }))).toMatchObject({ status: 'Pending' })
  const waiting = api.call({ url: `/1.0/operations/${id}/wait?timeout=-1` })
  await endOperation(api.store, id, { metadata: { return: 7 } })
  expect(shown(await waiting)).toMatchObject({ status: 'Success', status_code: 200, metadata: { return: 7 } })
  expect(shown(await api.call({ url: `/1.0/operations/${id}/wait?` }))).toMatchObject({ status: 'Success' })
})

test('the small shape is bare and says when to ask again', async () => {
  const id = await started()
  const pending = await api.call({ url: `/jobs/${id}` })
  expect(pending.body).toEqual({
    status: 'pending',
    entity_type: 'instance',
    entity_id: expect.any(String),
    error: null,
  })
  expect(pending.headers['retry-after']).toBe('1')
  const waiting = api.call({ url: `/jobs/${id}`, headers: { prefer: 'wait=30' } })
  await endOperation(api.store, id)
  const done = await waiting
  expect(done.body).toMatchObject({ status: 'done', error: null })
  expect(done.headers).toMatchObject({ 'preference-applied': 'wait=30' })
  expect(done.headers['retry-after']).toBeUndefined()
})

test('Prefer: wait answers 200 for what ended meanwhile, 202 for what did not', async () => {
  const unfinished = await start({ prefer: 'respond-async, wait=1' })
  expect(unfinished).toMatchObject({ status: 202, headers: { 'preference-applied': 'wait=1' } })
  await endOperation(api.store, idOf(unfinished))
  const waiting = start({ prefer: 'wait=30' })
  const [id = ''] = await unfinishedIds()
  await endOperation(api.store, id)
  expect(await waiting).toMatchObject({
    status: 200,
    headers: { location: `/1.0/operations/${id}`, 'preference-applied': 'wait=30' },
    body: { type: 'sync', metadata: { id, status: 'Success' } },
  })
})

/** Ids of unfinished operations, as soon as there are some. */
async function unfinishedIds(): Promise<string[]> {
  for (;;) {
    const recent = await api.store.recent('default', Date.now() + 60_000)
    const ids = recent.filter(({ state }) => state === 'pending').map(({ id }) => id)
    if (ids.length > 0) return ids
    await after(10)
  }
}

test('a pending operation is cancelled at once, a finished one cannot be', async () => {
  const id = await started()
  const cancel = () => api.call({ method: 'DELETE', url: `/1.0/operations/${id}` })
  expect(await cancel()).toMatchObject({ status: 200, body: { metadata: {} } })
  expect(shown(await api.call({ url: `/1.0/operations/${id}` }))).toMatchObject({
    status: 'Cancelled',
    status_code: 401,
    windlass: { cancelled_by: { username: 'admin' } },
  })
  expect(await cancel()).toMatchObject({ status: 400, body: { error: "This operation can't be cancelled" } })
  expect((await api.call({ url: `/jobs/${id}` })).body).toMatchObject({ status: 'failed' })
})

test('who may only read cancels nothing', async () => {
  const id = await started()
  const viewer = await api.token('viewer')
  expect(await api.callAs(viewer, { method: 'DELETE', url: `/1.0/operations/${id}` })).toMatchObject({ status: 403 })
  expect(shown(await api.call({ url: `/1.0/operations/${id}` }))).toMatchObject({ status: 'Pending' })
  await endOperation(api.store, id)
})

/** An id that was made so many milliseconds ago. */
function ago(milliseconds: number): string {
  const hex = (Date.now() - milliseconds).toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`
}

test('an id that never was is 404, one that must have been and is forgotten 410', async () => {
  expect(await api.call({ url: '/1.0/operations/00000000-0000-0000-0000-000000000000/wait' })).toMatchObject({
    status: 404,
    body: { error: 'Operation not found' },
  })
  expect(await api.call({ url: `/1.0/operations/${ago(60_000)}` })).toMatchObject({
    status: 410,
    body: { error: expect.stringMatching(/^Operation has expired: it was created 20/) },
  })
  // Before the deployment began, and so lately that it may be on its way.
  for (const milliseconds of [7_200_000, 100])
    expect(await api.call({ url: `/1.0/operations/${ago(milliseconds)}` })).toMatchObject({ status: 404 })
})

test('the history is filtered and paged, newest first', async () => {
  const failed = idOf(await start({}, 'c2'))
  await endOperation(api.store, failed, { state: 'failure', err: 'no', code: 'internal' })
  const page = async (query: string) => (await api.call({ url: `/1.0/operations?history=true&${query}` })).body
  expect(await page('status=failure&instance=c2')).toMatchObject({
    metadata: { operations: [{ id: failed }], cursor: null },
  })
  expect(await page('kind=instance.stop')).toMatchObject({ metadata: { operations: [] } })
  const first = await page('limit=2')
  expect(first).toMatchObject({ metadata: { operations: [{ id: failed }, {}], cursor: expect.any(String) } })
  const { cursor } = (first as { metadata: { cursor: string } }).metadata // matched just above
  expect(await page(`limit=2&cursor=${encodeURIComponent(cursor)}`)).not.toMatchObject({
    metadata: { operations: [{ id: failed }] },
  })
  for (const wrong of ['status=nosuch', 'kind=nosuch', 'since=yesterday', 'until=x', 'limit=0', 'limit=1e9'])
    expect(await api.call({ url: `/1.0/operations?history=true&${wrong}` })).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/^Invalid (status|kind|since|until|limit) "/) },
    })
})

test('operations of projects that a token may not enter do not exist for it', async () => {
  const id = await started()
  const shop = await api.token('admin', ['shop'])
  expect(await api.callAs(shop, { url: `/1.0/operations/${id}` })).toMatchObject({ status: 404 })
  expect(await api.callAs(shop, { method: 'DELETE', url: `/1.0/operations/${id}` })).toMatchObject({ status: 404 })
  expect(await api.callAs(shop, { url: '/1.0/operations?all-projects=true' })).toMatchObject({ body: { metadata: {} } })
  expect((await api.callAs(shop, { url: '/1.0/operations?history=true' })).body).toMatchObject({
    metadata: { operations: [] },
  })
  await endOperation(api.store, id)
})
