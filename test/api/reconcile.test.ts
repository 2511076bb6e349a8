import { afterAll, beforeAll, expect, test } from 'vitest'
import { createReconciling } from '../../src/services/reconciling.ts'
import { startApi, type TestApi } from '../support/api.ts'

let api: TestApi
beforeAll(async () => {
  const member = 'local'
  api = await startApi({ services: ({ operations }) => ({ reconciling: createReconciling({ operations, member }) }) })
})
afterAll(() => api[Symbol.asyncDispose]())

const post = (token: string, payload: object) => api.callAs(token, { method: 'POST', url: '/1.0/reconcile', payload })

test('a sweep by hand is an operation of admins, one at a time', async () => {
  for (const token of [await api.token('viewer'), await api.token('operator'), await api.token('admin', ['shop'])])
    expect(await post(token, {})).toMatchObject({ status: 403 })
  const admin = await api.token('admin')
  const accepted = await post(admin, { dry_run: true })
  const metadata = { description: 'Reconciling with the engines', status: 'Pending', may_cancel: false }
  expect(accepted).toMatchObject({ status: 202, body: { type: 'async', metadata } })
  const again = await post(admin, {})
  expect(again).toMatchObject({ status: 409, body: { error: expect.stringContaining('"reconcile" operation') } })
  expect(await post(admin, { dry_run: 'yes' })).toMatchObject({ status: 400 })
})
