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

describe('addresses of instances', () => {
  test('come in order, behind the latest one first', () => {
    expect([...addresses.addressesOf('10.9.0.0/28')]).toEqual(range(2, 11))
    expect([...addresses.addressesOf('10.9.0.0/28', '10.9.0.9')]).toEqual([...range(10, 11), ...range(2, 9)])
    expect([...addresses.addressesOf('10.9.0.0/28', '10.9.0.11')]).toEqual(range(2, 11))
    expect([...addresses.addressesOf('10.9.0.0/28', '10.200.0.1')]).toEqual(range(2, 11))
  })

  test.each([
    ['10.127.0.1', 'not within 10.128.0.0/20'],
    ['10.128.0.0', 'not within'],
    ['10.128.0.1', "is the network's own"],
    ['10.128.15.9', 'containers made by others'],
    ['10.128.0.x', 'Not an IPv4 address'],
  ])('cannot be %s', (address, text) => {
    expect(() => addresses.checkAddress(SUBNET, address)).toThrow(
      expect.objectContaining({ code: 'bad-request', message: expect.stringContaining(text) }),
    )
  })

  test('are all that nobody else has, once each', () => {
    fc.assert(
      fc.property(fc.integer({ min: 23, max: 28 }), fc.nat(2 ** 32 - 1), (prefix, after) => {
        const subnet = `10.64.0.0/${prefix}`
        const all = [...addresses.addressesOf(subnet, [24, 16, 8, 0].map((bits) => (after >>> bits) & 255).join('.'))]
        for (const address of all) addresses.checkAddress(subnet, address)
        const others = 2 ** (32 - (prefix < 24 ? 24 : prefix + 2))
        expect(new Set(all).size).toBe(2 ** (32 - prefix) - others - 2)
        expect(all.length).toBe(new Set(all).size)
      }),
    )
  })
})

function range(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, at) => `10.9.0.${first + at}`)
}

test('an address for a network is its gateway', () => {
  expect(addresses.parseNetworkAddress('10.7.0.1/24')).toEqual({ subnet: '10.7.0.0/24', gateway: '10.7.0.1' })
  for (const bad of ['10.7.0.1', '10.7.0.2/24', '10.7.0.1/30', '8.8.8.1/24', '10.7.0.1/33', 'x/24', '10.7.0.1/24/2'])
    expect(() => addresses.parseNetworkAddress(bad)).toThrow(`Invalid IPv4 subnet "${bad}"`)
})
