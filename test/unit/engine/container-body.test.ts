import { describe, expect, test } from 'vitest'
import type { ContainerSpec } from '../../../src/core/container.ts'
import type { EngineInfo } from '../../../src/core/engine.ts'
import { makeContainerBody } from '../../../src/engine/docker/container-body.ts'
import { toEngineInfo } from '../../../src/engine/docker/normalize.ts'
import { fields } from '../../../src/engine/docker/read.ts'
import { recording } from './recordings.ts'

const info = toEngineInfo(recording('20.10.24').info, 41)
const cgroup2: EngineInfo = { ...info, cgroupVersion: '2', version: '26.1.5' }
const nic = (device: string, address: string) => ({
  device,
  network: `net-${device}`,
  address,
  mac: `00:16:3e:00:00:0${address.at(-1) ?? ''}`,
  aliases: ['web'],
})
const base: ContainerSpec = {
  name: 'web.lxd',
  image: 'sha256:1',
  hostname: 'web',
  nameservers: [],
  searchDomain: 'lxd',
  labels: { deployment: 'd', role: 'instance', uuid: 'u-1', project: 'p', operation: 'o', step: 's', origin: '' },
  boot: 'application',
  command: undefined,
  entrypoint: undefined,
  user: undefined,
  workdir: undefined,
  stopSignal: 'SIGHUP',
  environment: { A: 'b=c' },
  nics: [nic('eth0', '10.0.0.1'), nic('eth1', '10.0.1.2')],
  mounts: [{ type: 'volume', volume: 'v', path: '/data', readonly: true, populate: true }],
  ports: [
    { protocol: 'tcp', listen: '', hostPort: 8080, containerPort: 80 },
    { protocol: 'tcp', listen: '127.0.0.1', hostPort: 8081, containerPort: 80 },
  ],
  hostDevices: [],
  gpus: [],
  limits: { cpuQuota: 50_000, cpuShares: 0, cpuSet: '0-1', memoryBytes: 1000, swapBytes: 500, processes: 0 },
  privileged: false,
  nesting: false,
}
const make = (more: Partial<ContainerSpec>, engine: { api: number; info: EngineInfo } = { api: 41, info }) => {
  const { body, later } = makeContainerBody(
    { ...base, ...more },
    { given: { Devices: [], DeviceRequests: [] }, ...engine },
  )
  return { body, later, host: fields(body.HostConfig) }
}

describe('every container', () => {
  test('says everything itself', () => {
    const { body, host } = make({})
    expect(body).toMatchObject({ Image: 'sha256:1', Hostname: 'web', Env: ['A=b=c'], Tty: true, OpenStdin: true })
    expect(body).toMatchObject({ StopSignal: 'SIGHUP', ExposedPorts: { '80/tcp': {} } })
    for (const left of ['Cmd', 'Entrypoint', 'User', 'WorkingDir']) expect(body).not.toHaveProperty(left)
    expect(host).toMatchObject({
      RestartPolicy: { Name: 'no' },
      Init: true,
      DnsSearch: ['lxd'],
      DnsOptions: ['ndots:1'],
      LogConfig: { Type: 'json-file', Config: { 'max-size': '8m', 'max-file': '2' } },
      PortBindings: {
        '80/tcp': [
          { HostIp: '', HostPort: '8080' },
          { HostIp: '127.0.0.1', HostPort: '8081' },
        ],
      },
      Mounts: [{ Type: 'volume', Source: 'v', Target: '/data', ReadOnly: true }],
      Privileged: false,
      CpuPeriod: 100_000,
      CpuQuota: 50_000,
      CpusetCpus: '0-1',
      Memory: 1000,
      MemorySwap: 1500,
    })
    for (const left of ['PidsLimit', 'CgroupParent', 'CgroupnsMode']) expect(host).not.toHaveProperty(left)
    expect(host.CapAdd).toEqual([])
    expect(host.SecurityOpt).toEqual([])
  })

  test('gets one nic at its creation from an old engine, all of them from a newer one', () => {
    const old = make({})
    expect(old.later.map((one) => one.device)).toEqual(['eth1'])
    expect(old.body.MacAddress).toBe('00:16:3e:00:00:01')
    expect(old.body.NetworkingConfig).toEqual({
      EndpointsConfig: { 'net-eth0': { IPAMConfig: { IPv4Address: '10.0.0.1' }, Aliases: ['web'] } },
    })
    const newer = make({}, { api: 44, info })
    expect(newer.later).toEqual([])
    expect(newer.body).not.toHaveProperty('MacAddress')
    expect(fields(fields(newer.body.NetworkingConfig).EndpointsConfig)['net-eth1']).toEqual({
      IPAMConfig: { IPv4Address: '10.0.1.2' },
      MacAddress: '00:16:3e:00:00:02',
      Aliases: ['web'],
    })
    expect(make({ nics: [] }).host.NetworkMode).toBe('none')
  })

  test('has no limit where none is said, and unlimited swap as -1', () => {
    const limits = { cpuQuota: 0, cpuShares: 0, cpuSet: '', memoryBytes: 0, swapBytes: 0, processes: 0 }
    const { host } = make({ limits })
    for (const left of ['CpuQuota', 'Memory', 'MemorySwap', 'PidsLimit']) expect(host).not.toHaveProperty(left)
    expect(make({ limits: { ...limits, memoryBytes: 5, swapBytes: -1 } }).host.MemorySwap).toBe(-1)
  })
})

describe('a system container', () => {
  const CGROUP_OLD = {
    CgroupnsMode: 'host',
    CgroupParent: '/windlass/u-1',
    Binds: [
      '/sys/fs/cgroup/unified:/sys/fs/cgroup:ro',
      '/sys/fs/cgroup/unified/windlass/u-1:/sys/fs/cgroup/windlass/u-1:rw',
    ],
  }

  test('is pid 1 itself, and may end itself', () => {
    const { body, host } = make({ boot: 'busybox' })
    expect(body).toMatchObject({ Cmd: ['/sbin/init'], Entrypoint: [] })
    expect(host).toMatchObject({ Init: false, CapAdd: ['SYS_BOOT'], Tmpfs: {}, Binds: [] })
    expect(make({ boot: 'init', command: ['/x'] }).body.Cmd).toEqual(['/x'])
  })

  test('with systemd gets a cgroup subtree of its own, by engine', () => {
    const { host } = make({ boot: 'systemd' })
    expect(host).toMatchObject({ ...CGROUP_OLD, SecurityOpt: [] })
    expect(Object.keys(fields(host.Tmpfs))).toEqual(['/run', '/run/lock', '/tmp'])
    expect(fields(host.Tmpfs)['/tmp']).toContain('exec')
    expect(make({ boot: 'systemd' }, { api: 45, info: cgroup2 }).host).toMatchObject({
      CgroupnsMode: 'host',
      CgroupParent: '/windlass/u-1',
      Binds: ['/sys/fs/cgroup/windlass/u-1:/sys/fs/cgroup/windlass/u-1:rw'],
    })
    const slices = { ...cgroup2, cgroupDriver: 'systemd' }
    expect(make({ boot: 'systemd' }, { api: 45, info: slices }).host).toMatchObject({
      CgroupParent: 'windlass-u1.slice',
      Binds: ['/sys/fs/cgroup/windlass.slice/windlass-u1.slice:/sys/fs/cgroup/windlass.slice/windlass-u1.slice:rw'],
    })
    const newest = make({ boot: 'systemd' }, { api: 51, info: { ...cgroup2, version: '28.5.2+dfsg4' } })
    expect(newest.host).toMatchObject({ SecurityOpt: ['writable-cgroups=true'], CgroupnsMode: 'private', Binds: [] })
    expect(newest.host).not.toHaveProperty('CgroupParent')
  })

  test('leaves a place that is mounted otherwise alone', () => {
    const mounts = [{ type: 'volume' as const, volume: 'v', path: '/tmp', readonly: false, populate: false }]
    expect(fields(make({ boot: 'systemd', mounts }).host.Tmpfs)).not.toHaveProperty('/tmp')
  })

  test('with systemd is refused by an engine that remaps users', () => {
    const remapped = { ...info, securityOptions: ['name=seccomp,profile=default', 'name=userns'] }
    expect(() => make({ boot: 'systemd' }, { api: 41, info: remapped })).toThrow('userns-remap')
  })
})

test('a volume that is not to be filled says so, whatever else it says', () => {
  const volume = { type: 'volume' as const, volume: 'v', path: '/a', readonly: false }
  const bind = { type: 'bind' as const, device: 'b', source: '/s', path: '/b', readonly: true, required: true }
  const mounts = [{ ...volume, populate: false }, { ...volume, populate: true }, bind]
  expect(make({ mounts }).host.Mounts).toEqual([
    { Type: 'volume', Source: 'v', Target: '/a', ReadOnly: false, VolumeOptions: { NoCopy: true } },
    { Type: 'volume', Source: 'v', Target: '/a', ReadOnly: false },
    { Type: 'bind', Source: '/s', Target: '/b', ReadOnly: true },
  ])
})

describe('rights', () => {
  test('nesting adds what an engine inside needs, and nothing else does', () => {
    const { host } = make({ nesting: true })
    expect(host.CapAdd).toEqual(['SYS_ADMIN', 'NET_ADMIN'])
    expect(host.SecurityOpt).toEqual(['seccomp=unconfined', 'apparmor=unconfined'])
    expect(host.CgroupnsMode).toBe('private')
    expect(fields(host.Tmpfs)).toHaveProperty('/sys/fs/cgroup')
    const newer = make({ nesting: true }, { api: 45, info: cgroup2 })
    expect(newer.host).not.toHaveProperty('CgroupnsMode')
    expect(fields(newer.host.Tmpfs)).toEqual({})
    expect(make({ nesting: true, boot: 'systemd' }).host.CapAdd).toEqual(['SYS_BOOT', 'SYS_ADMIN', 'NET_ADMIN'])
  })

  test('privileged is what it says', () => {
    expect(make({ privileged: true }).host.Privileged).toBe(true)
  })
})
