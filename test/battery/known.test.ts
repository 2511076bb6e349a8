import { afterAll, beforeAll, expect, test } from 'vitest'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { openAudit, type Audit } from './audit.ts'
import { listEngine } from './engine-listing.ts'
import { readKnown } from './known.ts'

let windlass: TestWindlass
let audit: Audit

beforeAll(async () => {
  windlass = await startWindlass()
  await publishStarterImage(windlass.socket, '/bin/busybox')
  audit = await openAudit(windlass)
})

afterAll(async () => {
  await audit?.[Symbol.asyncDispose]()
  await windlass?.[Symbol.asyncDispose]()
})

const VOLUMES = '/1.0/storage-pools/default/volumes/custom'

async function operate(method: string, path: string, body?: unknown): Promise<void> {
  expect(await windlass.operate(method, path, body)).toMatchObject({ status: 'Success', err: '' })
}

/** Volumes of the engine that nothing explains. */
async function oddVolumes(): Promise<string[]> {
  const { explains } = await readKnown(audit.database, audit.records)
  const seen = await listEngine(windlass.engine.socket)
  return seen.filter((one) => one.what === 'volume' && !explains(one)).map(({ name }) => name)
}

test('what a restore has put aside is explained for as long as a container mounts it, and no longer', async () => {
  await windlass.call('POST', VOLUMES, { name: 'v1' })
  await operate('POST', `${VOLUMES}/v1/snapshots`, { name: 's0' })
  const devices = { data: { type: 'disk', pool: 'default', source: 'v1', path: '/data' } }
  await operate('POST', '/1.0/instances', { name: 'c1', source: { type: 'image', alias: 'busybox' }, devices })
  const before = await audit.records.find('volume', 'default', 'v1')
  await windlass.call('PUT', `${VOLUMES}/v1`, { restore: 's0' })
  const after = await audit.records.find('volume', 'default', 'v1')
  expect(after?.superseded).toEqual([before?.volume])
  expect(await oddVolumes()).toEqual([])
  await operate('PUT', '/1.0/instances/c1/state', { action: 'start' })
  expect([[], [before?.volume]]).toContainEqual(await oddVolumes())
  await operate('POST', '/1.0/reconcile', {})
  expect(await oddVolumes()).toEqual([])
})
