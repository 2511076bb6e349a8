/**
 * Devices of the engine's host as a container gets them. The engine itself looks at them only when the container
 * starts, and takes a folder or a node of another kind for one as well: they are looked at before it is made.
 */
import type { ContainerSpec, FileStat, GpuRequest, HostDevice, OwnLabels } from '../../core/container.ts'
import type { EngineInfo, Gpus } from '../../core/engine.ts'
import { badRequest, isFailure } from '../../core/failure.ts'
import { NO_GPU, nodeName } from '../../core/host-devices.ts'
import { consumed } from './chunks.ts'
import type { Wire } from './engine-wire.ts'
import { createFiles, stat } from './files.ts'
import { withHelper } from './helpers.ts'
import type { Fields } from './read.ts'
import { readTar } from './tar-reader.ts'

/** What is added to a container's HostConfig. */
export interface GivenDevices {
  Devices: Fields[]
  DeviceRequests: Fields[]
}

export interface HostDevices {
  /** Bad-request, in LXD's words, for what the host has not and the instance cannot do without. */
  give(spec: Pick<ContainerSpec, 'hostDevices' | 'gpus'>, signal?: AbortSignal): Promise<GivenDevices>
  gpus(signal?: AbortSignal): Promise<Gpus>
}

/** Where the kernel keeps the nodes of graphics cards. */
const CARDS = '/dev/dri'
/** The first number of the nodes by which cards are only rendered with: drm(7). */
const FIRST_RENDER = 128

type Look = (path: string, signal?: AbortSignal) => Promise<FileStat | undefined>

/** The host's devices of one engine; `empty` gives the image its helper containers are made of. */
export function createHostDevices(
  wire: Wire,
  empty: (signal?: AbortSignal) => Promise<string>,
  info: (signal?: AbortSignal) => Promise<EngineInfo>,
): HostDevices {
  const look: Look = async (path, signal) =>
    lookAt({ wire, image: await empty(signal), path, signal }, (id) => stat(wire, id, LOOKED_AT, signal))

  /** The device by the path of the host's node that it is; undefined where there is none and it can do without. */
  async function onHost(device: HostDevice, signal?: AbortSignal): Promise<HostDevice | undefined> {
    if (device.numbers === undefined) return (await isThere(look, device, signal)) ? device : undefined
    const source = await findNode({ wire, image: await empty(signal), path: NODES, signal }, device)
    if (source !== undefined) return { ...device, source }
    if (!device.required) return undefined
    throw startFailure(device, `The host of Docker Engine has no ${device.kind} node ${nodeName(device)} in ${NODES}`)
  }

  async function gpus(signal?: AbortSignal): Promise<Gpus> {
    if ((await info(signal)).runtimes.includes('nvidia')) return 'runtime'
    return (await look(CARDS, signal))?.type === 'directory' ? 'nodes' : 'none'
  }

  async function give(spec: Pick<ContainerSpec, 'hostDevices' | 'gpus'>, signal?: AbortSignal): Promise<GivenDevices> {
    const given: GivenDevices = { Devices: [], DeviceRequests: [] }
    for (const device of spec.hostDevices) {
      const there = await onHost(device, signal)
      if (there !== undefined) given.Devices.push(toDevice(there))
    }
    if (spec.gpus.length === 0) return given
    const found = await gpus(signal)
    for (const gpu of spec.gpus) {
      if (found === 'runtime') given.DeviceRequests.push(toRequest(gpu))
      else given.Devices.push(...(found === 'nodes' ? await cardNodes(look, gpu, signal) : missingGpu(gpu)))
    }
    return given
  }

  return { give, gpus }
}

/** A path of the host, and the image of the helper by which it is looked at. */
interface Sight {
  wire: Wire
  image: string
  path: string
  signal: AbortSignal | undefined
}

/** The engine tells nothing of its host's files, but whether a container can have one of them, and then what it is. */
async function lookAt<T>(
  { wire, image, path, signal }: Sight,
  use: (helper: string) => Promise<T>,
): Promise<T | undefined> {
  const labels: OwnLabels = {
    deployment: wire.deployment,
    role: 'helper',
    uuid: 'none',
    project: '',
    operation: '',
    step: 'look',
    origin: '',
  }
  // What else is mounted below it may be large, and is not looked for.
  const mount = { Type: 'bind', Source: path, Target: LOOKED_AT, ReadOnly: true, BindOptions: { NonRecursive: true } }
  try {
    return await withHelper(wire, { image, labels, host: { Mounts: [mount] } }, use, signal)
  } catch (failure) {
    if (isFailure(failure, 'bad-request')) return undefined
    throw failure
  }
}

const LOOKED_AT = '/v'
/** Where the kernel keeps the nodes of all devices. */
const NODES = '/dev'

/** The path of the first node of this kind and these numbers. */
function findNode(sight: Sight, { kind, numbers }: HostDevice): Promise<string | undefined> {
  const { wire, signal } = sight
  const type = kind === 'unix-char' ? 'character' : 'block'
  return lookAt(sight, async (id) => {
    const tar = await createFiles(wire).readTar(id, LOOKED_AT, signal)
    for await (const entry of readTar(consumed(tar)))
      if (entry.type === type && isSame(entry.numbers, numbers))
        return NODES + entry.name.slice(entry.name.indexOf('/'))
    return undefined
  })
}

function isSame(one: HostDevice['numbers'], other: HostDevice['numbers']): boolean {
  return one !== undefined && one.major === other?.major && one.minor === other.minor
}

async function isThere(look: Look, device: HostDevice, signal?: AbortSignal): Promise<boolean> {
  const found = await look(device.source, signal)
  if (found === undefined) {
    if (!device.required) return false
    throw startFailure(device, `The required device path doesn't exist: "${device.source}"`)
  }
  const kind = { char: 'unix-char', block: 'unix-block', none: undefined }[found.node ?? 'none']
  if (kind === device.kind) return true
  throw startFailure(device, `Path specified is not a ${device.kind} device: "${device.source}"`)
}

function startFailure({ device }: { device: string }, why: string): Error {
  return badRequest(`Failed to start device "${device}": ${why}`)
}

function toDevice({ source, path, permissions }: Pick<HostDevice, 'source' | 'path' | 'permissions'>): Fields {
  return { PathOnHost: source, PathInContainer: path, CgroupPermissions: permissions }
}

function toRequest({ id }: GpuRequest): Fields {
  const which = id === '' ? { Count: -1 } : { DeviceIDs: [id] }
  return { Driver: 'nvidia', ...which, Capabilities: [['gpu']] }
}

function node(path: string): Fields {
  return toDevice({ source: path, path, permissions: 'rwm' })
}

/** All of the cards, or one with the node that renders by it where it has one. */
async function cardNodes(look: Look, gpu: GpuRequest, signal?: AbortSignal): Promise<Fields[]> {
  if (gpu.id === '') return [node(CARDS)]
  const card = `${CARDS}/card${gpu.id}`
  if ((await look(card, signal))?.node !== 'char')
    throw startFailure(gpu, `Failed to detect requested GPU device: the host of Docker Engine has no ${card}`)
  const render = `${CARDS}/renderD${FIRST_RENDER + Number(gpu.id)}`
  return (await look(render, signal))?.node === 'char' ? [node(card), node(render)] : [node(card)]
}

function missingGpu(gpu: GpuRequest): never {
  throw startFailure(gpu, NO_GPU)
}
