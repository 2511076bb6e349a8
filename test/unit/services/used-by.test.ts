import { expect, test } from 'vitest'
import { SERVER } from '../../../src/services/caller.ts'
import { usesVolume } from '../../../src/core/devices.ts'
import { urlsFor, usesNetwork } from '../../../src/services/used-by.ts'

const user = {
  project: 'shop',
  url: '/1.0/instances/c1?project=shop',
  devices: {
    eth0: { type: 'nic', network: 'lxdbr0' },
    eth1: { type: 'nic', nictype: 'bridged', parent: 'net1' },
    root: { type: 'disk', path: '/', pool: 'default' },
    data: { type: 'disk', path: '/data', pool: 'default', source: 'v1' },
    host: { type: 'disk', path: '/etc/host', source: 'v2' },
  },
}

test('a NIC uses the network or parent it names, a disk the volume of a pool', () => {
  expect(['lxdbr0', 'net1', 'net2'].map((name) => usesNetwork(user, name))).toEqual([true, true, false])
  expect(['v1', 'v2'].map((name) => usesVolume(user, name))).toEqual([true, false])
})

test('users in projects that the caller may not enter are not named', () => {
  expect(urlsFor(SERVER, [user])).toEqual([user.url])
  expect(urlsFor({ ...SERVER, projects: ['other'] }, [user])).toEqual([])
})
