/**
 * What a container needs so that an init system boots in it without privileges. Without its own writable cgroup
 * subtree systemd ends with exit code 255; all of /sys/fs/cgroup writable would let it out into the host's root group.
 */
import type { ContainerSpec } from '../../core/container.ts'
import type { EngineInfo } from '../../core/engine.ts'
import { unsupported } from '../../core/failure.ts'

/** What is added to a container's HostConfig. */
export interface BootExtras {
  capAdd: string[]
  securityOpt: string[]
  tmpfs: Record<string, string>
  binds: string[]
  cgroupnsMode: 'host' | 'private' | undefined
  cgroupParent: string | undefined
}

/** Where control groups are, on the host and inside. */
export const CGROUPS = '/sys/fs/cgroup'
const PARENT = 'windlass'

/** Whether a container's CgroupParent is a folder that was made for it alone. */
export function isOwnCgroup(parent: string): boolean {
  return new RegExp(`^/${PARENT}/[\\w-]+$`).test(parent)
}

const NONE: BootExtras = {
  capAdd: [],
  securityOpt: [],
  tmpfs: {},
  binds: [],
  cgroupnsMode: undefined,
  cgroupParent: undefined,
}

/** The additions for a spec's way of booting; unsupported where the engine cannot boot it. */
export function bootExtras(spec: ContainerSpec, info: EngineInfo): BootExtras {
  if (spec.boot === 'application') return NONE
  // reboot(2) ends the container's own pid namespace only; without the right to it an init never ends.
  const init: BootExtras = { ...NONE, capAdd: ['SYS_BOOT'] }
  if (spec.boot !== 'systemd') return init
  if (info.securityOptions.some((option) => option.includes('name=userns'))) {
    throw unsupported('An instance with systemd cannot be run by an engine with userns-remap')
  }
  return { ...init, tmpfs: TMPFS, ...cgroupAccess(spec.labels.uuid, info) }
}

// The engine mounts tmpfs without `exec`, which breaks the scripts packages run in /tmp.
const TMPFS: Readonly<Record<string, string>> = {
  '/run': 'rw,nosuid,nodev,mode=755',
  '/run/lock': 'rw,nosuid,nodev,noexec',
  '/tmp': 'rw,nosuid,nodev,exec,mode=1777',
}

function cgroupAccess(
  uuid: string,
  info: EngineInfo,
): Pick<BootExtras, 'securityOpt' | 'binds' | 'cgroupnsMode' | 'cgroupParent'> {
  if (info.cgroupVersion !== '2') {
    const unified = `${CGROUPS}/unified`
    const own = `/${PARENT}/${uuid}`
    const binds = [`${unified}:${CGROUPS}:ro`, `${unified}${own}:${CGROUPS}${own}:rw`]
    return { securityOpt: [], binds, cgroupnsMode: 'host', cgroupParent: own }
  }
  if (Number.parseInt(info.version, 10) >= 28) {
    return { securityOpt: ['writable-cgroups=true'], binds: [], cgroupnsMode: 'private', cgroupParent: undefined }
  }
  const { parent, directory } = info.cgroupDriver === 'systemd' ? sliceOf(uuid) : folderOf(uuid)
  return { securityOpt: [], binds: [`${directory}:${directory}:rw`], cgroupnsMode: 'host', cgroupParent: parent }
}

function folderOf(uuid: string): { parent: string; directory: string } {
  return { parent: `/${PARENT}/${uuid}`, directory: `${CGROUPS}/${PARENT}/${uuid}` }
}

/** With the systemd driver a parent is a slice, whose dashes are its path: systemd.slice(5). */
function sliceOf(uuid: string): { parent: string; directory: string } {
  const parent = `${PARENT}-${uuid.replaceAll('-', '')}.slice`
  return { parent, directory: `${CGROUPS}/${PARENT}.slice/${parent}` }
}
