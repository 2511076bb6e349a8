/**
 * What a recorded LXD 5.0.2 answered, against real processes: its texts, and its fields with their types. Statuses are
 * LXD's but where it accepts what it could refuse at once, or says 500 for a client's mistake.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxPlaces } from '../../src/setup/busybox.ts'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { findStaticBusybox } from '../../src/setup/starter-image.ts'
import * as lxd from '../support/lxd-shapes.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

let windlass: TestWindlass
const source = { type: 'image', alias: 'busybox' }

beforeAll(async () => {
  windlass = await startWindlass({ workers: 2 })
  await publishStarterImage(windlass.socket, (await findStaticBusybox(busyboxPlaces('.cache'))) ?? '')
  await Promise.all([
    windlass.operate('POST', '/1.0/instances', { name: 'c1', source, start: true }),
    windlass.operate('POST', '/1.0/instances', { name: 'cs', source }),
  ])
  await windlass.operate('POST', '/1.0/instances/cs/snapshots', { name: 's0' })
})
afterAll(() => windlass?.[Symbol.asyncDispose]())

const ENTRY = 'This "instances" entry already exists'
const NOT_HERE = 'Failed to fetch snapshot "no" of instance "cs" in project "default": InstanceSnapshot not found'

test.each([
  ['GET /1.0/', undefined, 404, 'not found'],
  ['GET /1.0/instances/', undefined, 404, 'not found'],
  ['GET /2.0', undefined, 404, 'not found'],
  ['DELETE /1.0', undefined, 501, 'not implemented'],
  ['POST /1.0/instances/cs/state', {}, 501, 'not implemented'],
  ['GET /1.0/instances/bad_name', undefined, 404, 'Instance not found'],
  ['GET /1.0/instances/cs%2Fs0', undefined, 400, 'Invalid instance name'],
  ['POST /1.0/instances', undefined, 400, 'EOF'],
  ['POST /1.0/instances', {}, 400, 'Unknown source type '],
  ['POST /1.0/instances', { name: 'q', source: { type: 'no' } }, 400, 'Unknown source type no'],
  [
    'POST /1.0/instances',
    { name: 'q', source: { type: 'image' } },
    400,
    'Must specify one of alias, fingerprint or properties for init from image',
  ],
  ['POST /1.0/instances', { source: { type: 'image', alias: 'no' } }, 404, 'Image alias not found'],
  ['POST /1.0/instances', { source: { type: 'image', fingerprint: 'ffff' } }, 404, 'Image not found'],
  ['POST /1.0/instances', { name: 'q', type: 'no', source }, 400, 'Invalid instance type'],
  ['POST /1.0/instances', { instance_type: 'no', source }, 400, "Provided instance type doesn't exist: no"],
  ['POST /1.0/instances', { source: { type: 'copy' } }, 400, 'Must specify a source instance'],
  [
    'POST /1.0/instances',
    { source: { type: 'copy', source: 'no' } },
    404,
    'Failed to fetch instance "no" in project "default": Instance not found',
  ],
  [
    'POST /1.0/instances',
    { name: 'cs', source },
    409,
    `Failed creating instance record: Add instance info to the database: ${ENTRY}`,
  ],
  [
    'POST /1.0/instances',
    { source, profiles: [] },
    400,
    'Failed creating instance record: Failed initialising instance: Invalid devices: Failed detecting root disk device: No root device could be found',
  ],
  ['PUT /1.0/instances/c1/state', { action: 'no' }, 400, "Unknown action: 'no'"],
  ['PUT /1.0/instances/c1/state', {}, 400, "Unknown action: ''"],
  ['PUT /1.0/instances/cs/state', { action: 'freeze' }, 400, "The container isn't running"],
  ['PUT /1.0/instances/c1/state', { action: 'unfreeze' }, 400, 'The container is already running'],
  ['PUT /1.0/instances/c1/state', { action: 'start' }, 400, 'The instance is already running'],
  ['PUT /1.0/instances/cs/state', { action: 'restart' }, 400, 'The instance is already stopped'],
  ['DELETE /1.0/instances/c1', undefined, 400, 'Instance is running'],
  ['DELETE /1.0/instances/no', undefined, 404, 'Instance not found'],
  ['POST /1.0/instances/cs/exec', { command: ['true'] }, 400, 'Instance is not running'],
  [
    'POST /1.0/instances/cs',
    { name: 'q', migration: true },
    501,
    'Migrating an instance to another server, storage pool or project is not possible; export it and import it there, or publish it and copy the image',
  ],
  [
    'PATCH /1.0/instances/cs',
    { config: { 'no.such': '1' } },
    400,
    'Invalid config: Unknown configuration key: no.such',
  ],
  ['PUT /1.0/instances/cs', { config: { 'no.such': '1' } }, 400, 'Invalid config: Unknown configuration key: no.such'],
  ['PUT /1.0/instances/cs', { profiles: ['no'] }, 404, 'Profile not found'],
  ['PUT /1.0/instances/cs', { restore: 'no' }, 404, 'Snapshot cs/no does not exist'],
  ['GET /1.0/instances/cs/snapshots/no', undefined, 404, NOT_HERE],
  ['GET /1.0/instances/no/snapshots', undefined, 404, 'Instance not found'],
  ['POST /1.0/instances/cs/snapshots', { name: 'a/b' }, 400, 'Invalid snapshot name: Cannot contain "/"'],
  [
    'POST /1.0/instances/cs/snapshots',
    { name: 'q', expires_at: 'never' },
    400,
    'Invalid expires_at "never": a time such as 2030-01-01T00:00:00Z is wanted',
  ],
  ['GET /1.0/instances?filter=bad', undefined, 400, 'Invalid filter: clause has no operator'],
  ['GET /1.0/instances?filter=name%20eq', undefined, 400, 'Invalid filter: clause has no value'],
  [
    'GET /1.0/instances?all-projects=true&project=default',
    undefined,
    400,
    'Cannot specify a project when requesting all projects',
  ],
  ['GET /1.0/operations/00000000-0000-0000-0000-000000000000/wait', undefined, 404, 'Operation not found'],
  ['GET /1.0/events?type=no', undefined, 400, '"no" isn\'t a supported event type'],
  ['POST /1.0/images/aliases', { name: 'x' }, 400, 'name and target are required'],
  ['POST /1.0/images/aliases', { name: 'x', target: 'ffff' }, 404, 'Image not found'],
  ['POST /1.0/profiles', {}, 400, 'No name provided'],
  ['POST /1.0/profiles', { name: 'a/b' }, 400, 'Profile names may not contain slashes'],
  ['POST /1.0/profiles', { name: 'pz', config: { no: '1' } }, 400, 'Unknown configuration key: no'],
  ['DELETE /1.0/networks/lxdbr0', undefined, 400, 'The network is currently in use'],
  ['DELETE /1.0/storage-pools/default', undefined, 400, 'The storage pool is currently in use'],
  ['PUT /1.0', { config: { 'no.such': '1' } }, 400, "cannot set 'no.such' to '1': unknown key"],
])('%s %j: %i', async (request, body, status, error) => {
  const [method = '', path = ''] = request.split(' ')
  const answer = await windlass.call(method, path, body)
  expect(answer.body).toEqual({
    type: 'error',
    status: '',
    status_code: 0,
    operation: '',
    error_code: status,
    error,
    metadata: null,
  })
  expect(answer.status).toBe(status)
})

test.each([
  ['recursion=0&filter=status%20eq%20running', ['c1']],
  ['filter=name%20eq%20c1%20or%20name%20eq%20cs', ['c1', 'cs']],
  ['filter=config.image.os%20eq%20BusyBox', ['c1', 'cs']],
  ['filter=not%20name%20eq%20c1', ['cs']],
  ['filter=type%20eq%20container%20and%20status%20eq%20Stopped', ['cs']],
  ['recursion=x&filter=', ['c1', 'cs']],
  ['instance-type=virtual-machine', []],
  ['project=nosuch', []],
  ['all-projects=true', ['c1', 'cs']],
])('GET /1.0/instances?%s', async (query, names) => {
  const { body } = await windlass.call('GET', `/1.0/instances?${query}`)
  expect(fieldOf(body, 'metadata')).toEqual(names.map((name) => `/1.0/instances/${name}`))
})

test.each([
  ['/1.0/instances/cs', { ...lxd.INSTANCE, name: 'cs' }],
  ['/1.0/instances/cs?recursion=1', { ...lxd.INSTANCE, state: lxd.STOPPED, snapshots: [lxd.SNAPSHOT], backups: null }],
  [
    '/1.0/instances?recursion=2&filter=name%20eq%20cs',
    [{ ...lxd.INSTANCE, state: lxd.STOPPED, snapshots: [lxd.SNAPSHOT], backups: null }],
  ],
  ['/1.0/instances/cs/state', lxd.STOPPED],
  ['/1.0/instances/c1/state', { status: 'Running', network: { eth0: lxd.NETWORK, lo: lxd.map }, pid: lxd.number }],
  ['/1.0/instances/cs/snapshots/s0', lxd.SNAPSHOT],
  ['/1.0/images?recursion=1', [lxd.IMAGE]],
  [
    '/1.0/networks/lxdbr0/leases',
    expect.arrayContaining([
      { hostname: 'c1', hwaddr: lxd.text, address: lxd.text, type: 'dynamic', location: 'none' },
    ]),
  ],
  [
    '/1.0/storage-pools/default/resources',
    { space: { used: lxd.number, total: lxd.number }, inodes: { used: lxd.number, total: lxd.number } },
  ],
])("GET %s has all of LXD's fields", async (path, fields) => {
  const { body } = await windlass.call('GET', path)
  expect(fieldOf(body, 'metadata')).toMatchObject(fields)
})

test('an accepted request names its operation as LXD does', async () => {
  const answer = await windlass.call('POST', '/1.0/instances/cs/snapshots', {})
  const operation = String(fieldOf(answer.body, 'operation'))
  expect(answer.status).toBe(202)
  expect(answer.headers).toMatchObject({ location: operation, 'content-type': 'application/json' })
  expect(answer.body).toMatchObject({
    type: 'async',
    status: 'Operation created',
    status_code: 100,
    operation: expect.stringMatching(/^\/1\.0\/operations\/[0-9a-f-]{36}$/),
    error_code: 0,
    error: '',
    metadata: {
      ...lxd.OPERATION,
      description: 'Snapshotting instance',
      resources: { instances: ['/1.0/instances/cs'], containers: ['/1.0/containers/cs'] },
    },
  })
  expect(await windlass.ended(answer)).toMatchObject({ status: 'Success', status_code: 200, may_cancel: false })
  const urls = await windlass.call('GET', '/1.0/instances/cs/snapshots')
  expect(fieldOf(urls.body, 'metadata')).toEqual(['s0', 'snap0'].map((name) => `/1.0/instances/cs/snapshots/${name}`))
})

test('an entity tag guards what has changed since', async () => {
  const { headers } = await windlass.call('GET', '/1.0/instances/cs')
  const etag = String(headers['etag'])
  const stale = await windlass.call(
    'PATCH',
    '/1.0/instances/cs',
    { config: { 'user.z': '1' } },
    { 'if-match': '"wrong"' },
  )
  expect(stale).toMatchObject({ status: 412, body: { error: `ETag doesn't match: ${etag.slice(1, -1)} vs wrong` } })
  // LXD takes it with and without its quotes.
  const bare = { 'if-match': etag.slice(1, -1) }
  const patched = await windlass.call('PATCH', '/1.0/instances/cs', { config: { 'user.z': '1' } }, bare)
  expect(patched).toMatchObject({ status: 200, body: { metadata: {} } })
  expect(
    (await windlass.call('PATCH', '/1.0/instances/cs', { config: { 'user.z': '' } }, { 'if-match': etag })).status,
  ).toBe(412)
})
