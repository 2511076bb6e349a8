import { expect, test } from 'vitest'
import { parseRoutes } from '../../../src/services/host-networks.ts'

const TABLE = [
  'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
  'eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
  'eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
  'tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0',
  'br0\t0010800A\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0',
  '',
].join('\n')

test("the kernel's routes are subnets, the default route is none", () => {
  expect(parseRoutes(TABLE)).toEqual([
    { interface: 'eth0', subnet: '192.168.0.0/24' },
    { interface: 'tun0', subnet: '10.0.0.0/8' },
    { interface: 'br0', subnet: '10.128.16.0/20' },
  ])
  expect(parseRoutes('')).toEqual([])
})
