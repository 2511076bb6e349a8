/** The fields of a recorded LXD 5.0.2's answers, with their types. */
import { expect } from 'vitest'

export const text = expect.any(String)
export const number = expect.any(Number)
const flag = expect.any(Boolean)
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
export const map = expect.objectContaining({})

export const OPERATION = {
  id: text,
  class: 'task',
  created_at: time,
  updated_at: time,
  status: text,
  status_code: number,
  metadata: null,
  may_cancel: flag,
  err: '',
  location: 'none',
}
export const INSTANCE = {
  architecture: text,
  config: map,
  devices: map,
  ephemeral: false,
  profiles: ['default'],
  stateful: false,
  description: '',
  created_at: time,
  expanded_config: map,
  expanded_devices: {
    eth0: { name: 'eth0', network: 'lxdbr0', type: 'nic' },
    root: { path: '/', pool: 'default', type: 'disk' },
  },
  status: text,
  status_code: number,
  last_used_at: time,
  location: 'none',
  type: 'container',
  project: 'default',
}
export const STOPPED = {
  status: 'Stopped',
  status_code: 102,
  disk: {},
  memory: { usage: 0, usage_peak: 0, swap_usage: 0, swap_usage_peak: 0 },
  network: null,
  pid: 0,
  processes: 0,
  cpu: { usage: 0 },
}
export const NETWORK = {
  addresses: [{ family: 'inet', address: text, netmask: text, scope: 'global' }],
  counters: {
    bytes_received: number,
    bytes_sent: number,
    packets_received: number,
    packets_sent: number,
    errors_received: number,
    errors_sent: number,
    packets_dropped_outbound: number,
    packets_dropped_inbound: number,
  },
  hwaddr: text,
  host_name: text,
  mtu: number,
  state: 'up',
  type: 'broadcast',
}
export const SNAPSHOT = {
  name: 's0',
  expires_at: '0001-01-01T00:00:00Z',
  architecture: text,
  config: map,
  created_at: time,
  devices: {},
  ephemeral: false,
  expanded_config: map,
  expanded_devices: INSTANCE.expanded_devices,
  last_used_at: time,
  profiles: ['default'],
  stateful: false,
  size: number,
}
export const IMAGE = {
  auto_update: false,
  properties: map,
  public: false,
  expires_at: time,
  profiles: ['default'],
  aliases: [{ name: 'busybox', description: text }],
  architecture: text,
  cached: false,
  filename: text,
  fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
  size: number,
  type: 'container',
  created_at: time,
  last_used_at: time,
  uploaded_at: time,
}
