/** What a role may ask of the engine (SECURITY.md), decided on the effective spec of a container. */
import type { Config, Role } from '../contract/common.ts'
import type { ContainerSpec } from './container.ts'
import { forbidden } from './failure.ts'
import { nodeName } from './host-devices.ts'

const OPEN_RAW = [
  'raw.docker.command',
  'raw.docker.entrypoint',
  'raw.docker.user',
  'raw.docker.workdir',
  'raw.docker.stop-signal',
]

/** Throws forbidden, naming the key or path, when a role may not have a container like this made. `config` is the expanded one. */
export function checkPolicy(
  role: Role,
  spec: Pick<ContainerSpec, 'mounts' | 'hostDevices' | 'gpus' | 'privileged' | 'nesting'>,
  config: Config,
): void {
  if (role === 'admin') return
  if (role === 'viewer') throw forbidden('The role viewer may only read')
  if (spec.privileged) throw needsAdmin('config key "security.privileged"')
  if (spec.nesting) throw needsAdmin('config key "security.nesting"')
  const bind = spec.mounts.find((mount) => mount.type === 'bind')
  if (bind !== undefined) throw needsAdmin(`disk device with the host path "${bind.source}"`)
  const [node] = spec.hostDevices
  if (node !== undefined) throw needsAdmin(`device "${node.device}" with the host's "${nodeName(node)}"`)
  const [gpu] = spec.gpus
  if (gpu !== undefined) throw needsAdmin(`device "${gpu.device}" with a GPU of the host`)
  const raw = Object.entries(config).find(
    ([key, value]) => key.startsWith('raw.') && value !== '' && !OPEN_RAW.includes(key),
  )
  if (raw !== undefined) throw needsAdmin(`config key "${raw[0]}"`)
}

function needsAdmin(what: string): Error {
  return forbidden(`Not allowed for the role operator: ${what} needs the role admin`)
}
