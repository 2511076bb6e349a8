/**
 * What clients do wrong, line by line of what LXD refuses: its words, with the status that says whose fault it is. What
 * other files test is left out. Then what no client means to send: bodies and values from the OpenAPI documents.
 */
import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dockerName } from '../../src/core/names.ts'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { oddRequests, sendOdd, type OddRequest } from '../support/odd-requests.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

let windlass: TestWindlass
const source = { type: 'image', alias: 'busybox' }
const VOLUMES = '/1.0/storage-pools/default/volumes/custom'

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
  await publishStarterImage(windlass.socket, await staticBusybox())
  await Promise.all([
    windlass.operate('POST', '/1.0/instances', { name: 'on', source, start: true }),
    windlass.operate('POST', '/1.0/instances', { name: 'frozen', source, start: true }),
    windlass.operate('POST', '/1.0/instances', {
      name: 'off',
      source,
      config: { 'security.protection.delete': 'true' },
    }),
    windlass.call('POST', '/1.0/profiles', { name: 'p1' }),
    windlass.call('POST', '/1.0/profiles', { name: 'p2' }),
    windlass.call('POST', '/1.0/projects', { name: 'shop' }),
    windlass.call('POST', VOLUMES, { name: 'v1' }),
  ])
  await windlass.operate('PUT', '/1.0/instances/frozen/state', { action: 'freeze' })
  await windlass.operate('POST', '/1.0/instances/off/snapshots', { name: 's0' })
})
afterAll(() => windlass?.[Symbol.asyncDispose]())

const create = 'POST /1.0/instances'
const RULE = 'Invalid instance name: Name'
const NO_SNAPSHOT = (name: string) =>
  `Failed to fetch snapshot "${name}" of instance "off" in project "default": InstanceSnapshot not found`

type Row = [line: string, request: string, body: unknown, status: number, error: string]

test.each<Row>([
  ['unknown instance', 'PUT /1.0/instances/no', {}, 404, 'Instance not found'],
  ['unknown instance', 'PATCH /1.0/instances/no', {}, 404, 'Instance not found'],
  ['unknown instance', 'POST /1.0/instances/no', { name: 'q' }, 404, 'Instance not found'],
  ['unknown instance', 'PUT /1.0/instances/no/state', { action: 'start' }, 404, 'Instance not found'],
  ['unknown instance', 'POST /1.0/instances/no/exec', { command: ['true'] }, 404, 'Instance not found'],
  ['unknown instance', 'POST /1.0/instances/no/snapshots', {}, 404, 'Instance not found'],
  ['unknown instance', 'POST /1.0/instances/no/backups', {}, 404, 'Instance not found'],
  ['unknown instance', 'GET /1.0/instances/no/metadata', undefined, 404, 'Instance not found'],
  ['unknown snapshot', 'PUT /1.0/instances/off/snapshots/s', {}, 404, NO_SNAPSHOT('s')],
  ['unknown snapshot', 'POST /1.0/instances/off/snapshots/s', { name: 'q' }, 404, NO_SNAPSHOT('s')],
  ['unknown snapshot', 'DELETE /1.0/instances/off/snapshots/s', undefined, 404, NO_SNAPSHOT('s')],
  ['unknown snapshot', create, { source: { type: 'copy', source: 'off/s' } }, 404, NO_SNAPSHOT('s')],
  // All that follows the first slash is the snapshot's name.
  ['unknown snapshot', create, { source: { type: 'copy', source: 'off/s0/x' } }, 404, NO_SNAPSHOT('s0/x')],
  ['unknown image', 'GET /1.0/images/aliases/no', undefined, 404, 'Image alias not found'],
  ['unknown image', 'DELETE /1.0/images/ffff', undefined, 404, 'Image not found'],
  // LXD accepts the fingerprint and fails then.
  ['unknown image', create, { source: { type: 'image', fingerprint: 'f'.repeat(64) } }, 404, 'Image not found'],
  ['bad name', create, { name: '9', source }, 400, `${RULE} must not start with a number`],
  ['bad name', create, { name: 'a_b', source }, 400, `${RULE} can only contain alphanumeric and hyphen characters`],
  ['bad name', create, { name: '..', source }, 400, `${RULE} can only contain alphanumeric and hyphen characters`],
  ['bad name', create, { name: 'a\0', source }, 400, `${RULE} can only contain alphanumeric and hyphen characters`],
  ['bad name', create, { name: 'a'.repeat(64), source }, 400, `${RULE} must be 1-63 characters long`],
  ['bad name', create, { name: '-a', source }, 400, `${RULE} must not start with "-" character`],
  ['bad name', create, { name: 'a-', source }, 400, `${RULE} must not end with "-" character`],
  ['bad name', 'POST /1.0/instances/off', {}, 400, `${RULE} must be 1-63 characters long`],
  ['rename to a used name', 'POST /1.0/instances/off', { name: 'on' }, 409, 'Name "on" already in use'],
  ['rename running', 'POST /1.0/instances/on', { name: 'q' }, 400, 'Renaming of running container not allowed'],
  [
    'unknown config key',
    create,
    { source, config: { k: '1' } },
    400,
    'Failed creating instance record: Unknown configuration key: k',
  ],
  [
    'bad value',
    create,
    { source, config: { 'limits.memory': 'abc' } },
    400,
    'Failed creating instance record: Invalid value: abc',
  ],
  [
    'bad value',
    'PUT /1.0/instances/off',
    { config: { 'limits.cpu': 'abc' } },
    400,
    'Invalid config: Invalid CPU limit syntax',
  ],
  // LXD says 500 at a creation.
  ['unknown profile', create, { source, profiles: ['no'] }, 404, `Requested profile "no" doesn't exist`],
  ['profile twice', create, { source, profiles: ['p1', 'p1'] }, 400, 'Duplicate profile found in request'],
  ['profile twice', 'PATCH /1.0/instances/off', { profiles: ['p1', 'p1'] }, 400, 'Duplicate profile found in request'],
  ['stop stopped', 'PUT /1.0/instances/off/state', { action: 'stop' }, 400, 'The instance is already stopped'],
  ['freeze frozen', 'PUT /1.0/instances/frozen/state', { action: 'freeze' }, 400, 'The container is already frozen'],
  ['delete frozen', 'DELETE /1.0/instances/frozen', undefined, 400, 'Instance is running'],
  ['exec on frozen', 'POST /1.0/instances/frozen/exec', { command: ['true'] }, 400, 'Instance is frozen'],
  ['protected delete', 'DELETE /1.0/instances/off', undefined, 400, 'Container is protected'],
  [
    'snapshot twice',
    'POST /1.0/instances/off/snapshots',
    { name: 's0' },
    409,
    'Failed creating instance snapshot record "s0": Add snapshot info to the database: This "instances_snapshots" entry already exists',
  ],
  ['unknown for restore', 'PUT /1.0/instances/off', { restore: 'on/s0' }, 404, 'Snapshot off/on/s0 does not exist'],
  ['profile in use', 'POST /1.0/profiles/p1', { name: 'p2' }, 409, 'Name "p2" already in use'],
  ['profile default', 'POST /1.0/profiles/default', { name: 'q' }, 403, 'The "default" profile cannot be renamed'],
  ['unknown project', create + '?project=no', { name: 'q', source }, 404, 'Project not found'],
  ['unknown project', 'DELETE /1.0/projects/no', undefined, 404, 'Project not found'],
  ['project exists', 'POST /1.0/projects', { name: 'shop' }, 409, 'Project "shop" already exists'],
  ['project default', 'DELETE /1.0/projects/default', undefined, 403, 'The "default" project cannot be deleted'],
  ['unknown network', 'PUT /1.0/networks/no', {}, 404, 'Failed loading network: Network not found'],
  ['unknown volume', `PUT ${VOLUMES}/no`, {}, 404, 'Storage pool volume not found'],
  ['unknown pool', 'GET /1.0/storage-pools/no', undefined, 404, 'Storage pool not found'],
  ['publish of nothing', 'POST /1.0/images', { source: { type: 'instance' } }, 400, 'No source provided'],
  ['publish of nothing', 'POST /1.0/images', {}, 400, 'Must specify an image source'],
  ['publish', 'POST /1.0/images', { source: { type: 'snapshot', name: 'off' } }, 400, 'Not a snapshot'],
  ['publish', 'POST /1.0/images', { source: { type: 'instance', name: 'off/s0' } }, 400, 'Not an instance'],
  ['alias without target', 'PUT /1.0/images/aliases/busybox', {}, 400, 'The target field is required'],
  ['unknown certificate', 'DELETE /1.0/certificates/no', undefined, 404, 'Certificate not found'],
  // LXD says 500, but a server that cannot be asked for it is no fault inside.
  [
    'not clustered',
    'GET /1.0/cluster/members',
    undefined,
    501,
    'Server is not clustered: clusters are not possible with Windlass, which serves one Docker Engine',
  ],
  ['bad filter', 'GET /1.0/images?filter=bad', undefined, 400, 'Invalid filter: clause has no operator'],
  ['exec', 'POST /1.0/instances/on/exec', { command: ['a\0'] }, 400, 'Invalid command: it contains a NUL'],
  ['exec', 'POST /1.0/instances/on/exec', { command: ['a'], cwd: '/\0' }, 400, 'Invalid cwd: it contains a NUL'],
  [
    'exec',
    'POST /1.0/instances/on/exec',
    { command: ['true'], environment: { 'A=': 'x' } },
    400,
    'Invalid environment variable "A=": it needs a name without "=" and NUL',
  ],
  [
    'exec',
    'POST /1.0/instances/on/exec',
    { command: ['true'], user: 1e12 },
    400,
    'Invalid body: user must be <= 2147483647',
  ],
  [
    'stop',
    'PUT /1.0/instances/on/state',
    { action: 'stop', timeout: 3e6 },
    400,
    'Invalid body: timeout must be <= 2147483',
  ],
  ['stop', 'PUT /1.0/instances', { state: { timeout: -2 } }, 400, 'Invalid body: state.timeout must be >= -1'],
  [
    'token',
    'POST /1.0/auth/tokens',
    { name: 'a', role: 'king' },
    400,
    'Invalid body: role must be one of viewer, operator, admin',
  ],
])('%s: %s %j: %i %s', async (...row) => {
  const [, asked, body, status, error] = row
  const [method = '', path = ''] = asked.split(' ')
  const answer = await windlass.call(method, path, body)
  expect(answer.body).toEqual({ ...ENVELOPE, error_code: status, error })
  expect(answer.status).toBe(status)
})

const ENVELOPE = { type: 'error', status: '', status_code: 0, operation: '', metadata: null }

test.each([
  ['an image', '/1.0/images'],
  ['a backup of an instance', '/1.0/instances'],
  ['a backup of a volume', VOLUMES],
])('the upload of %s that is cut off leaves nothing', async (_what, path) => {
  const before = await inEngine()
  const headers = { 'content-type': 'application/octet-stream', 'content-length': 10_000_000, 'x-lxd-name': 'cut' }
  const sent = request({ socketPath: windlass.socket, method: 'POST', path, headers, agent: false })
  const isClosed = new Promise((resolve) => sent.on('close', resolve))
  sent.on('error', () => undefined)
  sent.write(Buffer.alloc(1_000_000))
  await expect.poll(async () => (await inEngine()).volumes, { timeout: 60_000 }).not.toEqual(before.volumes)
  sent.destroy()
  await isClosed
  await expect.poll(inEngine, { timeout: 100_000 }).toEqual(before)
})

const NAMES: Record<string, string> = {
  instances: 'off',
  profiles: 'p1',
  networks: 'lxdbr0',
  projects: 'shop',
  aliases: 'busybox',
  custom: 'v1',
}
const IDS: Record<string, string> = { '{snapshot}': 's0', '{pool}': 'default', '{type}': 'custom' }

const fill = (route: string): string =>
  route
    .split('/')
    .map((part, at, all) =>
      part === '{name}' ? (NAMES[all[at - 1] ?? ''] ?? 'x') : part.startsWith('{') ? (IDS[part] ?? 'x') : part,
    )
    .join('/')

// Their examples lead to other machines.
const bases = {
  'POST /1.0/images': { source: { type: 'instance', name: 'off' } },
  'POST /1.0/images/{fingerprint}/export': {},
}

test.each(['native', 'hebergos', 'hostapi', 'lwp', 'vz', 'vzapi'])(
  'odd bodies and values are answered, and nothing fails inside: %s',
  async (name) => {
    const odd = (await oddRequests(`openapi/${name}.json`, { seed: 20_261_122, fill, bases })).filter(
      ({ route }) => !route.startsWith('/1.0/containers'),
    )
    const faults: string[] = []
    const one = async (asked: OddRequest): Promise<void> => {
      const { status, text } = await sendOdd(windlass.socket, asked)
      const isFault = status >= 500 && status !== 501
      const isBare = name === 'native' && status >= 400 && fieldOf(JSON.parse(text), 'error_code') !== status
      if (isFault || isBare)
        faults.push(`${asked.method} ${asked.path} ${asked.body.toString().slice(0, 300)}: ${status} ${text}`)
    }
    const next = async (): Promise<void> => {
      for (let asked = odd.pop(); asked !== undefined; asked = odd.pop()) await one(asked)
    }
    await Promise.all([next(), next(), next(), next()])
    expect(faults).toEqual([])
  },
)

test('after all that the engine has what is listed and nothing else', async () => {
  const ofInstances = async () => {
    const { body } = await windlass.call('GET', '/1.0/instances?recursion=1&all-projects=true')
    const instances = fieldOf(body, 'metadata') as { name: string; project: string }[]
    return instances.map(({ name, project }) => dockerName(project, name)).toSorted()
  }
  await expect
    .poll(async () => fieldOf((await windlass.call('GET', '/1.0/operations')).body, 'metadata'), { timeout: 120_000 })
    .not.toHaveProperty('running')
  const listed = await ofInstances()
  await expect.poll(async () => (await inEngine()).containers, { timeout: 60_000 }).toEqual(listed)
  expect((await windlass.call('GET', '/1.0')).status).toBe(200)
})

/** Names of all containers and volumes. */
async function inEngine(): Promise<{ containers: string[]; volumes: string[] }> {
  const read = async (path: string): Promise<unknown> =>
    JSON.parse((await askEngine(windlass.engine.socket, 'GET', path)).text)
  const containers = (await read('/containers/json?all=1')) as Container[]
  const volumes = (fieldOf(await read('/volumes'), 'Volumes') ?? []) as { Name: string }[]
  return {
    containers: containers.map(nameOf).toSorted(),
    volumes: volumes.map(({ Name }) => Name).toSorted(),
  }
}

interface Container {
  Names: string[]
  Labels: Record<string, string>
}

/** What is no instance is told with what it was made for. */
function nameOf({ Names: [name = ''], Labels: labels }: Container): string {
  return `${name.slice(1)}${labels['windlass.role'] === 'instance' ? '' : JSON.stringify(labels)}`
}
