import { expect, test } from 'vitest'
import { checkNetworkConfig } from '../../../src/services/network-config.ts'

test('what the engine can give, or has a way of its own for, is taken', () => {
  const config = {
    'ipv4.address': '10.77.0.1/24',
    'ipv4.nat': 'false',
    'ipv4.dhcp': 'false',
    'ipv6.address': 'none',
    'dns.domain': 'lan',
    'user.a': 'b',
    'bridge.mtu': '',
  }
  expect(() => checkNetworkConfig('net1', config)).not.toThrow()
  expect(() => checkNetworkConfig('net1', { 'ipv4.address': 'auto' })).not.toThrow()
})

test.each([
  [{ nosuch: '1' }, 'Invalid option for network "net1" option "nosuch"'],
  [{ 'ipv4.nat': 'maybe' }, 'Invalid value for network "net1" option "ipv4.nat": Invalid value for a boolean "maybe"'],
  [{ 'ipv4.address': 'none' }, /without IPv4 is not possible/],
  [{ 'ipv4.address': '10.77.0.9/24' }, /the gateway must be its first address/],
  [{ 'ipv6.address': 'auto' }, /IPv6 is not possible/],
  [{ 'bridge.mtu': '9000' }, /Not possible on Docker Engine/],
  [{ 'tunnel.a.protocol': 'vxlan' }, /Not possible on Docker Engine/],
])('refuses %j', (config, text) => {
  expect(() => checkNetworkConfig('net1', config)).toThrow(text)
})
