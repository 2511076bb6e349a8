/** Which properties a device may have. Those that Docker Engine has no use for are kept; those whose loss would matter are refused. */
import type { Config } from '../contract/common.ts'
import { isAddress } from './addresses.ts'
import { anything, boolean, hwaddr, integer, isTrue, oneOf, size, type ValueCheck } from './config-values.ts'
import { badRequest } from './failure.ts'
import { deviceNumber, mode } from './host-devices.ts'

export type DeviceType = 'disk' | 'gpu' | 'nic' | 'none' | 'proxy' | 'unix-block' | 'unix-char'

const impossible: ValueCheck = () => 'Not possible on Docker Engine'
const onlyOff: ValueCheck = (value) => boolean(value) ?? (isTrue(value) ? 'Not possible on Docker Engine' : undefined)
const address: ValueCheck = (value) => (isAddress(value) ? undefined : `Not an IPv4 address: ${value}`)
const interfaceName: ValueCheck = (value) =>
  /^[^\s/:]{1,15}$/.test(value) && value !== '.' && value !== '..'
    ? undefined
    : 'Network interface contains invalid characters'

const ofHost: ValueCheck = () => 'Docker Engine gives a device the owner that it has on the host'
const byNumber: ValueCheck = () => 'Docker Engine knows GPUs by their number only, which is "id"'

const UNIX: Record<string, ValueCheck> = {
  source: anything,
  path: anything,
  required: boolean,
  mode,
  uid: ofHost,
  gid: ofHost,
  major: deviceNumber,
  minor: deviceNumber,
}

const OPTIONS: Record<DeviceType, Record<string, ValueCheck>> = {
  none: {},
  disk: {
    path: anything,
    source: anything,
    pool: anything,
    readonly: boolean,
    required: boolean,
    optional: boolean,
    recursive: boolean,
    shift: boolean,
    size,
    'size.state': size,
    'boot.priority': integer,
    'limits.max': anything,
    'limits.read': anything,
    'limits.write': anything,
    propagation: impossible,
    'raw.mount.options': impossible,
    'ceph.cluster_name': impossible,
    'ceph.user_name': impossible,
  },
  nic: {
    network: anything,
    nictype: oneOf('bridged', 'ipvlan', 'macvlan', 'ovn', 'p2p', 'physical', 'routed', 'sriov'),
    parent: anything,
    name: interfaceName,
    hwaddr,
    host_name: interfaceName,
    mtu: integer,
    'boot.priority': integer,
    'ipv4.address': address,
    'ipv4.routes': impossible,
    'ipv4.routes.external': impossible,
    'ipv6.address': (value) => (value === 'none' ? undefined : 'Not possible on Docker Engine'),
    'ipv6.routes': impossible,
    'ipv6.routes.external': impossible,
    'limits.egress': anything,
    'limits.ingress': anything,
    'limits.max': anything,
    'limits.priority': integer,
    'maas.subnet.ipv4': impossible,
    'maas.subnet.ipv6': impossible,
    'queue.tx.length': integer,
    'security.acls': impossible,
    'security.ipv4_filtering': onlyOff,
    'security.ipv6_filtering': onlyOff,
    'security.mac_filtering': onlyOff,
    'security.port_isolation': onlyOff,
    vlan: impossible,
    'vlan.tagged': impossible,
  },
  proxy: {
    listen: anything,
    connect: anything,
    bind: oneOf('host', 'instance', 'guest', 'container'),
    nat: boolean,
    proxy_protocol: onlyOff,
    gid: impossible,
    mode: impossible,
    uid: impossible,
    'security.gid': impossible,
    'security.uid': impossible,
  },
  'unix-block': UNIX,
  'unix-char': UNIX,
  gpu: {
    gputype: (value) => (value === 'physical' ? undefined : 'Only "physical" is possible on Docker Engine'),
    id: (value) => (/^[0-9]{1,3}$/.test(value) ? undefined : 'Not the number of a GPU'),
    vendorid: byNumber,
    productid: byNumber,
    pci: byNumber,
    uid: ofHost,
    gid: ofHost,
    mode: () => 'Docker Engine gives a GPU the mode that it has on the host',
  },
}

/** Throws bad-request with LXD's texts for an unknown property or a bad value. */
export function checkOptions(type: DeviceType, device: Config): void {
  const options = OPTIONS[type]
  for (const [option, value] of Object.entries(device)) {
    if (option === 'type' || option.startsWith('user.')) continue
    const check = Object.hasOwn(options, option) ? options[option] : undefined
    if (check === undefined) throw badRequest(`Invalid device option "${option}"`)
    const fault = value === '' ? undefined : check(value)
    if (fault !== undefined) throw badRequest(`Invalid value for device option "${option}": ${fault}`)
  }
}
