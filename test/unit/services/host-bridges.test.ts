import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readHostBridge } from '../../../src/services/host-bridges.ts'

const FILES: Record<string, string> = {
  'proc/net/route': [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask',
    'lxdbr0\t0060800A\t00000000\t0001\t0\t0\t0\t00F0FFFF',
    'eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF',
  ].join('\n'),
  'sys/class/net/lxdbr0/address': '02:42:8f:39:9e:de\n',
  'sys/class/net/lxdbr0/mtu': '1500\n',
  'sys/class/net/lxdbr0/statistics/rx_bytes': '1234\n',
  'sys/class/net/lxdbr0/statistics/tx_bytes': '99\n',
  'sys/class/net/lxdbr0/statistics/rx_packets': '12\n',
  'sys/class/net/lxdbr0/statistics/tx_packets': '1\n',
  'sys/class/net/lxdbr0/bridge/bridge_id': '8000.02428f399ede\n',
  'sys/class/net/lxdbr0/bridge/forward_delay': '1500\n',
  'sys/class/net/lxdbr0/bridge/stp_state': '0\n',
  'sys/class/net/lxdbr0/brif/veth1/port_no': '0x1\n',
  'sys/class/net/eth0/address': '02:42:00:00:00:01\n',
}

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'windlass-bridges-'))
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
})
afterAll(() => rm(root, { recursive: true, force: true }))

test('a bridge of this machine tells its address, its counters and what is in it', async () => {
  expect(await readHostBridge('lxdbr0', '10.128.96.0/20', root)).toEqual({
    hwaddr: '02:42:8f:39:9e:de',
    mtu: 1500,
    counters: { bytes_received: 1234, bytes_sent: 99, packets_received: 12, packets_sent: 1 },
    bridge: {
      id: '8000.02428f399ede',
      stp: false,
      forward_delay: 1500,
      vlan_default: 0,
      vlan_filtering: false,
      upper_devices: ['veth1'],
    },
  })
})

test("what is no bridge, or another one of the same name, is none of the engine's", async () => {
  expect(await readHostBridge('lxdbr0', '10.128.112.0/20', root)).toBeUndefined()
  expect(await readHostBridge('eth0', '192.168.0.0/24', root)).toBeUndefined()
  expect(await readHostBridge('lxdbr1', '10.128.96.0/20', root)).toBeUndefined()
  expect(await readHostBridge('lxdbr0', '10.128.96.0/20', join(root, 'nowhere'))).toBeUndefined()
})
