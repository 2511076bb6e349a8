import { describe, expect, test } from 'vitest'
import {
  checkDevices,
  checkExpandedDevices,
  devicesEffect,
  parseDevice,
  requireRoot,
} from '../../../src/core/devices.ts'
import { effectiveDevices, expandConfig, expandDevices } from '../../../src/core/expand.ts'

const root = { type: 'disk', path: '/', pool: 'default' }
const eth0 = { type: 'nic', name: 'eth0', network: 'lxdbr0' }

describe('what is understood', () => {
  test.each([
    ['root', root, { type: 'root', pool: 'default' }],
    ['root', { ...root, size: '10GiB' }, { type: 'root', pool: 'default' }],
    ['eth0', eth0, { type: 'nic', network: 'lxdbr0', address: '', mac: '' }],
    [
      'eth0',
      { type: 'nic', nictype: 'bridged', parent: 'lxdbr0', 'ipv4.address': '10.1.0.9', hwaddr: '00:16:3E:00:00:01' },
      { type: 'nic', network: 'lxdbr0', address: '10.1.0.9', mac: '00:16:3e:00:00:01' },
    ],
    [
      'data',
      { type: 'disk', pool: 'default', source: 'v1', path: '/data', readonly: 'true' },
      { type: 'volume', pool: 'default', volume: 'v1', path: '/data', readonly: true },
    ],
    [
      'host',
      { type: 'disk', source: '/srv/x', path: '/x' },
      { type: 'host', source: '/srv/x', path: '/x', readonly: false, required: true },
    ],
    [
      'px',
      { type: 'proxy', listen: 'tcp:127.0.0.1:18080', connect: 'tcp:127.0.0.1:80' },
      { type: 'proxy', ports: [{ protocol: 'tcp', listen: '127.0.0.1', hostPort: 18_080, containerPort: 80 }] },
    ],
    [
      'px',
      { type: 'proxy', listen: 'udp:[::]:53-54', connect: 'udp:0.0.0.0:1053-1054' },
      {
        type: 'proxy',
        ports: [
          { protocol: 'udp', listen: '', hostPort: 53, containerPort: 1053 },
          { protocol: 'udp', listen: '', hostPort: 54, containerPort: 1054 },
        ],
      },
    ],
    [
      'fuse',
      { type: 'unix-char', source: '/dev/fuse', path: '/dev/fuse2', mode: '0440', required: 'false' },
      { type: 'unix-char', source: '/dev/fuse', path: '/dev/fuse2', permissions: 'rm', required: false },
    ],
    [
      'disk',
      { type: 'unix-block', path: '/dev/sdb' },
      { type: 'unix-block', source: '/dev/sdb', path: '/dev/sdb', permissions: 'rwm', required: true },
    ],
    ['gpu', { type: 'gpu' }, { type: 'gpu', id: '' }],
    ['gpu', { type: 'gpu', gputype: 'physical', id: '1' }, { type: 'gpu', id: '1' }],
    ['eth0', { type: 'none' }, { type: 'none' }],
  ])('%s %j', (name, device, parsed) => {
    expect(parseDevice(name, device)).toEqual(parsed)
  })
})

describe('what is refused', () => {
  test.each([
    [{}, 'Missing device type'],
    [{ type: 'bad' }, 'Invalid device type "bad"'],
    [{ type: 'usb' }, 'not possible on Docker Engine'],
    [{ type: 'gpu', gputype: 'mdev' }, 'Only "physical" is possible'],
    [{ type: 'gpu', pci: '0000:01:00.0' }, 'Docker Engine knows GPUs by their number only'],
    [{ type: 'gpu', id: 'x' }, 'Not the number of a GPU'],
    [{ type: 'unix-char' }, 'Unix device entry is missing the required "source" or "path" property'],
    [{ type: 'unix-char', source: '/etc/passwd', path: '/dev/x' }, 'Path needs to be in "/dev"'],
    [{ type: 'unix-char', source: '/dev/../etc/x' }, 'Path needs to be in "/dev"'],
    [{ type: 'unix-char', source: '/dev/fuse', path: '/opt/fuse' }, 'below "/dev"'],
    [{ type: 'unix-char', source: '/dev/zero', path: '/dev/null' }, 'has a device of its own there'],
    [{ type: 'unix-char', path: '/dev/x', major: '10' }, 'Both "major" and "minor" must be supplied'],
    [{ type: 'unix-char', path: '/dev/x', major: '10', minor: '-1' }, 'Invalid value for a UNIX device number'],
    [{ type: 'unix-char', major: '10', minor: '229' }, 'missing the required "source" or "path" property'],
    [{ type: 'unix-char', path: '/dev/x', gid: '44' }, 'the owner that it has on the host'],
    [{ type: 'unix-char', path: '/dev/x', mode: 'rw' }, 'Invalid value for an octal file mode'],
    [{ type: 'unix-char', path: '/dev/x', mode: '0000' }, 'of no use'],
    [{ type: 'disk', path: '/x' }, 'Disk entry is missing the required "source" property'],
    [{ type: 'disk', source: '/x' }, 'Disk entry is missing the required "path" property'],
    [{ type: 'disk', path: '/' }, 'Root disk entry must have a "pool" property set'],
    [{ type: 'disk', path: '/', source: '/x' }, 'Root disk entry may not have a "source" property set'],
    [{ type: 'disk', path: '/', pool: 'other' }, 'The "other" storage pool doesn\'t exist'],
    [{ type: 'disk', path: '/x', source: '/y', pool: 'default' }, 'cannot be specified as absolute paths'],
    [{ type: 'disk', path: '/x', source: 'y' }, 'must be an absolute path of the host'],
    [{ type: 'disk', path: '/x', source: '/a/../etc' }, 'Invalid source path'],
    [{ type: 'disk', path: '/x', source: '/a:/b' }, 'Invalid source path'],
    [{ type: 'disk', path: 'x', source: '/y' }, 'Invalid path "x"'],
    [{ type: 'disk', path: '/a/../b', source: '/y' }, 'Invalid path'],
    [{ type: 'disk', path: '/proc/x', source: '/y' }, 'nothing can be mounted there'],
    [{ type: 'disk', path: '/x', source: '/y', propagation: 'shared' }, 'Not possible on Docker Engine'],
    [{ ...eth0, mtu: '1400' }, 'Cannot use "mtu" property in conjunction with "network" property'],
    [{ ...eth0, nosuch: '1' }, 'Invalid device option "nosuch"'],
    [{ ...eth0, hwaddr: 'x' }, 'Invalid value for device option "hwaddr"'],
    [{ ...eth0, 'ipv4.address': '10.0.0.300' }, 'Not an IPv4 address: 10.0.0.300'],
    [{ ...eth0, 'security.mac_filtering': 'true' }, 'Not possible on Docker Engine'],
    [{ type: 'nic', nictype: 'macvlan', parent: 'eth0' }, 'nictype "bridged"'],
    [{ type: 'nic', nictype: 'bridged' }, 'Missing required option "parent"'],
    [{ type: 'proxy', listen: 'tcp:0.0.0.0:80' }, 'Missing required option "connect"'],
    [{ type: 'proxy', listen: 'unix:/x', connect: 'tcp:127.0.0.1:80' }, 'A proxy of type "unix"'],
    [{ type: 'proxy', listen: 'tcp:0.0.0.0:0', connect: 'tcp:127.0.0.1:80' }, 'Invalid port number "0"'],
    [{ type: 'proxy', listen: 'tcp:0.0.0.0:80', connect: 'udp:127.0.0.1:80' }, 'same protocol'],
    [{ type: 'proxy', listen: 'tcp:0.0.0.0:80', connect: 'tcp:10.0.0.1:80' }, 'the instance itself'],
    [{ type: 'proxy', listen: 'tcp:0.0.0.0:80-82', connect: 'tcp:127.0.0.1:80-81' }, 'Mismatch'],
    [{ type: 'proxy', listen: 'tcp:0.0.0.0:1-65535', connect: 'tcp:127.0.0.1:80' }, 'at most 256 ports'],
    [{ type: 'none', path: '/x' }, 'Invalid device option "path"'],
    [{ type: 'proxy', bind: 'instance', listen: 'tcp:0.0.0.0:80', connect: 'tcp:127.0.0.1:80' }, 'bind=host'],
  ])('%j', (device: Record<string, string>, text) => {
    expect(() => checkDevices({ dev: device })).toThrow(
      expect.objectContaining({ code: 'bad-request', message: expect.stringContaining(text) }),
    )
    expect(() => checkDevices({ dev: device })).toThrow('Device validation failed for "dev": ')
  })

  test.each(['', '../x', 'a/b', '__proto__', 'x'.repeat(64)])('a device called %j', (name) => {
    expect(() => parseDevice(name, eth0)).toThrow('Device names may contain')
  })
})

describe('together', () => {
  test('a root and a NIC are well', () => {
    expect(() => checkExpandedDevices({ root, eth0 }, 'c1')).not.toThrow()
  })

  test.each([
    [{ root, eth0: { type: 'none' }, other: root }, 'More than one root device found'],
    [
      { root, a: { type: 'unix-char', path: '/dev/x' }, b: { type: 'unix-char', source: '/dev/y', path: '/dev/x' } },
      '"/dev/x"',
    ],
    [{ root, a: { type: 'disk', source: '/a', path: '/x' }, b: { type: 'disk', source: '/b', path: '/x' } }, '"/x"'],
    [
      { root, eth0, eth1: { ...eth0, name: 'eth1' } },
      'Failed add validation for device "eth1": Instance DNS name "c1" already used on network',
    ],
    [
      {
        root,
        a: { type: 'proxy', listen: 'tcp:0.0.0.0:80', connect: 'tcp:127.0.0.1:80' },
        b: { type: 'proxy', listen: 'tcp:[::]:80', connect: 'tcp:127.0.0.1:81' },
      },
      'More than one proxy device listens on tcp::80',
    ],
  ])('%j is refused', (devices, text) => {
    expect(() => checkExpandedDevices(devices, 'c1')).toThrow(text)
  })
})

test('only what is to be made must have a root disk', () => {
  expect(() => checkExpandedDevices({ eth0 }, 'c1')).not.toThrow()
  expect(() => requireRoot({ root, eth0 })).not.toThrow()
  for (const devices of [{ eth0 }, { eth0, root: { type: 'none' } }])
    expect(() => requireRoot(devices)).toThrow(
      'Invalid devices: Failed detecting root disk device: No root device could be found',
    )
})

describe('whether a change needs a new container', () => {
  test.each([
    [{ root, eth0 }, { eth0, root }, 'none'],
    [{ root }, { root: { ...root, size: '5GB' } }, 'none'],
    [{ root, eth0 }, { root, eth0: { ...eth0, 'limits.max': '1Mbit' } }, 'none'],
    [{ root, eth0 }, { root, eth0: { type: 'none' } }, 'recreate'],
    [{ root, eth0 }, { root, eth0: { ...eth0, network: 'br1' } }, 'recreate'],
    [{ root }, { root, data: { type: 'disk', pool: 'default', source: 'v', path: '/d' } }, 'recreate'],
  ])('%j → %j: %s', (before, after, effect) => {
    expect(devicesEffect(before, after)).toBe(effect)
  })
})

describe('profiles', () => {
  const profiles = [
    { config: { a: '1', b: '1', c: '1' }, devices: { root, eth0 } },
    { config: { b: '2', c: '2' }, devices: { eth0: { ...eth0, network: 'br1' } } },
  ]

  test('a later one wins, the instance over all', () => {
    expect(expandConfig(profiles, { c: '3' })).toEqual({ a: '1', b: '2', c: '3' })
    expect(expandDevices(profiles, {})['eth0']).toEqual({ ...eth0, network: 'br1' })
  })

  test('type none takes the place of an inherited device', () => {
    const expanded = expandDevices(profiles, { eth0: { type: 'none' } })
    expect(expanded).toEqual({ root, eth0: { type: 'none' } })
    expect(effectiveDevices(expanded)).toEqual({ root })
  })
})
