import { describe, expect, test } from 'vitest'
import type { Config } from '../../../src/contract/common.ts'
import type { Boot, InstanceRecord, LeaseRecord, NetworkRecord, VolumeRecord } from '../../../src/contract/records.ts'
import { missingVolumes, toContainerSpec, type SpecSources } from '../../../src/core/container-spec.ts'
import type { ImageDetail } from '../../../src/core/engine.ts'
import { checkPolicy } from '../../../src/core/policy.ts'

const base = { v: 1, rev: 1, project: 'default' } as const
const instance: InstanceRecord = {
  ...base,
  uuid: 'u1',
  name: 'c1',
  member: 'local',
  container: '',
  image: 'fp',
  engineImage: 'sha256:record',
  boot: 'application',
  architecture: 'x86_64',
  description: '',
  config: {},
  devices: {},
  profiles: ['default'],
  ephemeral: false,
  created_at: '2026-11-21T09:16:00.000Z',
  last_used_at: '1970-01-01T00:00:00Z',
  power: 'stopped',
  volumes: [{ path: '/var/lib/db', volume: 'vol-db' }],
}
const network: NetworkRecord = {
  ...base,
  uuid: 'n1',
  name: 'lxdbr0',
  member: 'local',
  network: 'net-id',
  description: '',
  config: {},
  subnet: '10.128.0.0/20',
  gateway: '10.128.0.1',
}
const lease: LeaseRecord = { ...base, uuid: 'l1', name: '10.128.0.2', network: 'n1', instance: 'u1', device: 'eth0' }
const volume: VolumeRecord = {
  ...base,
  uuid: 'v1',
  name: 'data',
  member: 'local',
  volume: 'vol-data',
  description: '',
  config: {},
  created_at: '2026-11-21T09:16:00.000Z',
}
const image: ImageDetail = {
  id: 'sha256:image',
  tags: [],
  digests: [],
  created: 0,
  size: 0,
  architecture: 'amd64',
  layers: 1,
  labels: {},
  own: undefined,
  command: ['/bin/sh'],
  entrypoint: [],
  environment: {},
  user: '',
  workdir: '',
  stopSignal: '',
  volumes: [],
  parent: '',
}
const labels = {
  deployment: 'd',
  role: 'instance',
  uuid: 'u1',
  project: 'default',
  operation: 'o',
  step: 's',
  origin: '',
} as const

const spec = (changes: Partial<SpecSources> = {}) =>
  toContainerSpec({
    instance,
    config: {},
    devices: {
      root: { type: 'disk', path: '/', pool: 'default' },
      eth0: { type: 'nic', network: 'lxdbr0', name: 'eth0' },
    },
    image,
    networks: [network],
    leases: [lease],
    volumes: [volume],
    host: { cpus: 4, memoryBytes: 2 ** 33 },
    labels,
    name: 'op-1',
    fresh: [],
    ...changes,
  })

test('an instance with its root, its NIC and a volume of the image', () => {
  expect(spec()).toEqual({
    name: 'op-1',
    image: 'sha256:image',
    hostname: 'c1',
    nameservers: [],
    searchDomain: 'lxd',
    labels,
    boot: 'application',
    command: undefined,
    entrypoint: undefined,
    user: undefined,
    workdir: undefined,
    stopSignal: 'SIGHUP',
    environment: {},
    nics: [{ device: 'eth0', network: 'net-id', address: '10.128.0.2', mac: '02:42:0a:80:00:02', aliases: ['c1'] }],
    mounts: [{ type: 'volume', volume: 'vol-db', path: '/var/lib/db', readonly: false, populate: false }],
    hostDevices: [],
    gpus: [],
    ports: [],
    limits: { cpuQuota: 0, cpuShares: 0, cpuSet: '', memoryBytes: 0, swapBytes: -1, processes: 0 },
    privileged: false,
    nesting: false,
  })
})

test('config keys become what the engine is told', () => {
  const made = spec({
    instance: { ...instance, project: 'p1' },
    config: {
      'environment.FOO': 'bar',
      'environment.EMPTY': '',
      'raw.docker.command': `-c 'sleep 1'`,
      'raw.docker.entrypoint': '/bin/sh',
      'raw.docker.user': '1000',
      'raw.docker.workdir': '/srv',
      'security.privileged': 'true',
      'security.nesting': '1',
      'limits.cpu': '1',
    },
  })
  expect(made).toMatchObject({
    searchDomain: 'p1.lxd',
    environment: { FOO: 'bar' },
    command: ['-c', 'sleep 1'],
    entrypoint: ['/bin/sh'],
    user: '1000',
    workdir: '/srv',
    privileged: true,
    nesting: true,
    stopSignal: 'SIGTERM',
    limits: { cpuQuota: 100_000 },
  })
  expect(made.environment).not.toHaveProperty('EMPTY')
})

describe('MAC addresses', () => {
  const nic = { type: 'nic', network: 'lxdbr0' }

  test('one of the config is kept', () => {
    const config = { 'volatile.eth0.hwaddr': '00:16:3e:00:00:01' }
    expect(spec({ config }).nics[0]?.mac).toBe('00:16:3e:00:00:01')
  })

  test("the device's own comes first", () => {
    const config = { 'volatile.eth0.hwaddr': '00:16:3e:00:00:01' }
    expect(spec({ config, devices: { eth0: { ...nic, hwaddr: '00:16:3E:00:00:02' } } }).nics[0]?.mac).toBe(
      '00:16:3e:00:00:02',
    )
  })
})

test('NICs come in the order of their numbers', () => {
  const names = ['eth10', 'eth2', 'eth0']
  const networks = names.map((name) => ({ ...network, uuid: `n-${name}`, name: `br-${name}` }))
  const leases = names.map((name) => ({ ...lease, network: `n-${name}`, device: name }))
  const devices = Object.fromEntries(names.map((name) => [name, { type: 'nic', network: `br-${name}` }]))
  expect(spec({ networks, leases, devices }).nics.map((nic) => nic.device)).toEqual(['eth0', 'eth2', 'eth10'])
})

test('disk devices are mounted, and win over a volume of the image on the same path', () => {
  const devices = {
    data: { type: 'disk', pool: 'default', source: 'data', path: '/var/lib/db' },
    inner: { type: 'disk', source: '/srv/a', path: '/var/lib/db/inner', readonly: 'true' },
    px: { type: 'proxy', listen: 'tcp:127.0.0.1:8080', connect: 'tcp:127.0.0.1:80' },
  }
  const made = spec({ devices })
  expect(made.mounts).toEqual([
    { type: 'volume', volume: 'vol-data', path: '/var/lib/db', readonly: false, populate: false },
    { type: 'bind', device: 'inner', source: '/srv/a', path: '/var/lib/db/inner', readonly: true, required: true },
  ])
  expect(made.ports).toEqual([{ protocol: 'tcp', listen: '127.0.0.1', hostPort: 8080, containerPort: 80 }])
})

test('a volume is filled from the image where it is new', () => {
  const [mount] = spec({ fresh: ['/var/lib/db'] }).mounts
  expect(mount).toMatchObject({ volume: 'vol-db', populate: true })
  expect(spec({ fresh: ['/var/lib'] }).mounts).toMatchObject([{ populate: false }])
})

const diskAt = (path: string) => ({ d: { type: 'disk', pool: 'default', source: 'data', path } })

describe('nesting wants a volume for the engine inside', () => {
  const config = { 'security.nesting': 'true' }

  test('unless there is one, or a disk', () => {
    expect(missingVolumes({ config, devices: diskAt('/srv') }, ['/data'])).toEqual(['/var/lib/docker'])
    expect(missingVolumes({ config, devices: {} }, ['/var/lib/docker'])).toEqual([])
    expect(missingVolumes({ config, devices: diskAt('/var/lib/docker') }, [])).toEqual([])
    const none = { d: { type: 'none', path: '/var/lib/docker' } }
    expect(missingVolumes({ config, devices: none }, [])).toEqual(['/var/lib/docker'])
  })

  test('and nothing else does', () => {
    expect(missingVolumes({ config: {}, devices: {} }, [])).toEqual([])
    expect(missingVolumes({ config: { 'security.nesting': 'false' }, devices: {} }, [])).toEqual([])
  })
})

test('what is not there is said', () => {
  expect(() => spec({ networks: [] })).toThrow('Device validation failed for "eth0": Network "lxdbr0" not found')
  expect(() => spec({ leases: [] })).toThrow('Device "eth0" of instance "c1" holds no address')
  const devices = { d: { type: 'disk', pool: 'default', source: 'gone', path: '/d' } }
  expect(() => spec({ devices })).toThrow('Storage volume "gone" not found')
})

test('without an image the record says which', () => {
  expect(spec({ image: undefined })).toMatchObject({ image: 'sha256:record', stopSignal: 'SIGTERM' })
})

describe('stop signals', () => {
  test.each([
    ['systemd', {}, {}, 'SIGRTMIN+3'],
    ['busybox', {}, {}, 'SIGUSR1'],
    ['init', {}, {}, 'SIGPWR'],
    ['systemd', { 'raw.docker.stop-signal': 'TERM' }, {}, 'SIGTERM'],
    ['application', {}, { command: ['bash', '-l'] }, 'SIGHUP'],
    ['application', {}, { entrypoint: ['/usr/bin/zsh'], command: [] }, 'SIGHUP'],
    ['application', {}, { command: ['sh', '-c', 'sleep 9'] }, 'SIGTERM'],
    ['application', {}, { command: ['sh', '/run.sh'] }, 'SIGTERM'],
    ['application', {}, { command: ['nginx'], stopSignal: 'SIGQUIT' }, 'SIGQUIT'],
    ['application', {}, { command: ['sh'], stopSignal: 'SIGQUIT' }, 'SIGHUP'],
    ['application', { 'raw.docker.command': 'nginx' }, {}, 'SIGTERM'],
    ['application', { 'raw.docker.entrypoint': '/bin/app' }, {}, 'SIGTERM'],
    ['application', { 'raw.docker.command': 'ash' }, { command: ['nginx'] }, 'SIGHUP'],
    ['application', { 'raw.docker.stop-signal': 'SIGINT' }, {}, 'SIGINT'],
    ['application', {}, { command: [] }, 'SIGTERM'],
  ] satisfies [Boot, Config, Partial<ImageDetail>, string][])('%s %j %j: %s', (boot, config, words, signal) => {
    const changed: ImageDetail = { ...image, ...words }
    expect(spec({ instance: { ...instance, boot }, config, image: changed }).stopSignal).toBe(signal)
  })
})

const refusal = (text: string) => expect.objectContaining({ code: 'forbidden', message: expect.stringContaining(text) })

describe('checkPolicy', () => {
  const bind = { h: { type: 'disk', source: '/etc', path: '/x' } }

  test('an admin may do all of it', () => {
    const config = { 'security.privileged': 'true', 'raw.lxc': 'x' }
    expect(() => checkPolicy('admin', spec({ config, devices: bind }), config)).not.toThrow()
  })

  test('a viewer nothing', () => {
    expect(() => checkPolicy('viewer', spec(), {})).toThrow(refusal('viewer'))
  })

  test('an operator usual things', () => {
    const config = { 'raw.docker.command': 'sh', 'security.privileged': 'false', 'raw.lxc': '', 'limits.cpu': '1' }
    expect(() => checkPolicy('operator', spec({ config }), config)).not.toThrow()
  })

  test.each([
    ['security.privileged', 'true'],
    ['security.nesting', 'true'],
    ['raw.lxc', 'x'],
    ['raw.docker.hostconfig', 'x'],
  ])('an operator may not set %s', (key, value) => {
    const config = { [key]: value }
    expect(() => checkPolicy('operator', spec({ config }), config)).toThrow(refusal(key))
  })

  test.each([
    [{ type: 'unix-char', path: '/dev/fuse' }, '/dev/fuse'],
    [{ type: 'unix-block', source: '/dev/sda', path: '/dev/sdz' }, '/dev/sda'],
    [{ type: 'gpu' }, 'a GPU of the host'],
  ])('an operator may not have %j', (device: Record<string, string>, text) => {
    expect(() => checkPolicy('operator', spec({ devices: { d: device } }), {})).toThrow(refusal(text))
    expect(() => checkPolicy('admin', spec({ devices: { d: device } }), {})).not.toThrow()
  })

  test('an operator may not mount a path of the host', () => {
    expect(() => checkPolicy('operator', spec({ devices: bind }), {})).toThrow(refusal('/etc'))
  })
})
