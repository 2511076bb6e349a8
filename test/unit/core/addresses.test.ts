import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as addresses from '../../../src/core/addresses.ts'

const SUBNET = '10.128.0.0/20'

test('free subnets do not overlap what is taken', () => {
  expect(addresses.freeSubnet([])).toBe(SUBNET)
  expect(addresses.freeSubnet([SUBNET])).toBe('10.128.16.0/20')
  expect(addresses.freeSubnet(['10.128.15.0/24', '10.128.20.7/32', 'fd42::/64', 'none'])).toBe('10.128.32.0/20')
  expect(addresses.freeSubnet(['10.0.0.0/8'])).toBe('172.16.0.0/20')
  expect(() => addresses.freeSubnet(['0.0.0.0/0'])).toThrow('No free private IPv4 subnet is left')
})

test('two hundred networks find room beside each other', () => {
  const taken: string[] = []
  for (let count = 0; count < 200; count++) taken.push(addresses.freeSubnet(taken))
  const overlapping = taken.filter((one, at) =>
    taken.some((other, there) => there !== at && addresses.overlaps(one, other)),
  )
  expect(overlapping).toEqual([])
})

test('the parts of a subnet', () => {
  expect(addresses.gatewayOf(SUBNET)).toBe('10.128.0.1')
  expect(addresses.foreignRange(SUBNET)).toBe('10.128.15.0/24')
  expect(addresses.foreignRange('192.168.7.0/24')).toBe('192.168.7.192/26')
  expect(addresses.inSubnet('10.128.15.255', SUBNET)).toBe(true)
  expect(addresses.inSubnet('10.128.16.0', SUBNET)).toBe(false)
  expect(addresses.inSubnet('nonsense', SUBNET)).toBe(false)
  expect(addresses.macOf('10.128.0.2')).toBe('02:42:0a:80:00:02')
})

describe('pickAddress', () => {
  test('takes the lowest free one', () => {
    expect(addresses.pickAddress(SUBNET, new Set())).toBe('10.128.0.2')
    expect(addresses.pickAddress(SUBNET, new Set(['10.128.0.2', '10.128.0.4']))).toBe('10.128.0.3')
  })

  test('takes the preferred one', () => {
    expect(addresses.pickAddress(SUBNET, new Set(), '10.128.3.3')).toBe('10.128.3.3')
  })

  test.each([
    ['10.127.0.1', 'bad-request', 'not within 10.128.0.0/20'],
    ['10.128.0.0', 'bad-request', 'not within'],
    ['10.128.0.1', 'bad-request', "is the network's own"],
    ['10.128.15.9', 'bad-request', 'containers made by others'],
    ['10.128.0.x', 'bad-request', 'Not an IPv4 address'],
    ['10.128.0.9', 'conflict', 'IP address "10.128.0.9" already defined on another NIC'],
  ])('refuses %s', (address, code, text) => {
    expect(() => addresses.pickAddress(SUBNET, new Set(['10.128.0.9']), address)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(text) }),
    )
  })

  test('says so when all are taken', () => {
    const taken = new Set<string>()
    for (let count = 0; count < 10; count++) taken.add(addresses.pickAddress('10.9.0.0/28', taken))
    expect(() => addresses.pickAddress('10.9.0.0/28', taken)).toThrow('No free IPv4 address is left in 10.9.0.0/28')
  })

  test('never gives what is not its own to give', () => {
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 28 }), fc.integer({ min: 0, max: 60 }), (prefix, held) => {
        const subnet = `10.64.0.0/${prefix}`
        const taken = new Set<string>()
        for (let count = 0; count < held && count < 8; count++) taken.add(addresses.pickAddress(subnet, taken))
        const next = addresses.pickAddress(subnet, taken)
        expect(addresses.inSubnet(next, subnet)).toBe(true)
        expect(addresses.inSubnet(next, addresses.foreignRange(subnet))).toBe(false)
        expect([...taken, addresses.gatewayOf(subnet), '10.64.0.0']).not.toContain(next)
      }),
    )
  })
})

test('an address for a network is its gateway', () => {
  expect(addresses.parseNetworkAddress('10.7.0.1/24')).toEqual({ subnet: '10.7.0.0/24', gateway: '10.7.0.1' })
  for (const bad of ['10.7.0.1', '10.7.0.2/24', '10.7.0.1/30', '8.8.8.1/24', '10.7.0.1/33', 'x/24', '10.7.0.1/24/2'])
    expect(() => addresses.parseNetworkAddress(bad)).toThrow(`Invalid IPv4 subnet "${bad}"`)
})
