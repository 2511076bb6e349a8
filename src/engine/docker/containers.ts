/** Containers, but for what is in them (files.ts), what they say (logs.ts) and what they use (stats.ts). */
import type { Containers, ContainerSpec, ContainerSummary, Limits } from '../../core/container.ts'
import type { EngineInfo } from '../../core/engine.ts'
import { inspectPayload } from './inspect.ts'
import { badRequest, conflict, type Failure, internal, timedOut } from '../../core/failure.ts'
import { removeCgroupFolders } from './cgroup-folders.ts'
import { CPU_PERIOD, type Found, makeContainerBody, makeEndpoint, memoryAndSwap } from './container-body.ts'
import type { HostDevices } from './host-devices.ts'
import { missingSource, refusal, says } from './errors.ts'
import { isRoleOf, labelFilter } from './labels.ts'
import { toContainerDetail, toContainerSummary } from './normalize.ts'
import { count, fields, list, required, text } from './read.ts'
import { askUnless, change, type Wire } from './engine-wire.ts'
import { type EngineAnswer, route } from './requests.ts'

type Life = Omit<Containers, 'stats' | 'logs' | 'logEnd' | 'attach' | 'stat' | 'readTar' | 'writeTar' | 'exportTar'>

/** Milliseconds that a killed container may take to be gone. */
const KILLED_WITHIN = 60_000

/** The life of containers on one engine; `info` may be a remembered answer. */
export function createContainers(
  wire: Wire,
  info: (signal?: AbortSignal) => Promise<EngineInfo>,
  devices: HostDevices,
): Life {
  const summaries = async (doing: string, filters: string, signal?: AbortSignal): Promise<ContainerSummary[]> => {
    const query = { all: true, filters }
    const { body } = await wire.ask({ doing, method: 'GET', path: '/containers/json', query, signal })
    return list(body).map((one) => toContainerSummary(one, wire.deployment))
  }
  return {
    create: async (spec, signal) =>
      create(wire, spec, { info: await info(signal), given: await devices.give(spec, signal) }, signal),
    find: async (labels, signal) => {
      const found = await summaries('looking for containers', labelFilter(labels, wire.deployment), signal)
      return found.filter((one) => one.own !== undefined)
    },
    list: (signal) => summaries('listing containers', '{}', signal),
    inspect: async (reference, signal) => {
      const payload = await inspectPayload(wire, reference, signal)
      return payload === undefined ? undefined : toContainerDetail(payload, wire.deployment)
    },
    size: async (id, signal) => {
      const path = route`/containers/${id}/json`
      const request = { doing: `measuring container ${id}`, method: 'GET', path, query: { size: true } } as const
      const answer = await wire.ask({ ...request, signal, expect: [404], timeout: wire.timeouts.work })
      const { SizeRw: size } = fields(answer.body)
      return typeof size === 'number' && size >= 0 ? size : undefined
    },
    start: async (id, signal) => {
      const path = route`/containers/${id}/start`
      await wire.ask({ ...change(wire, `starting container ${id}`, signal), path, expect: [304] })
    },
    stop: (id, options, signal) => stop(wire, id, options, signal),
    kill: async (id, killSignal, signal) => {
      const hasRun = await sendSignal(wire, id, killSignal, signal)
      if (!hasRun && !/^(SIG)?KILL$/i.test(killSignal)) throw conflict(`Container ${id} is not running`)
    },
    pause: async (id, signal) => {
      const path = route`/containers/${id}/pause`
      await askUnless(wire, { ...change(wire, `pausing container ${id}`, signal), path }, ['already paused'])
    },
    unpause: (id, signal) => unpause(wire, id, signal),
    rename: (id, name, signal) => rename(wire, id, name, signal),
    remove: (id, options, signal) => remove(wire, id, options, signal),
    updateLimits: async (id, limits, signal) => updateLimits(wire, id, await wanted(limits), signal),
  }

  async function wanted(limits: Limits): Promise<{ limits: Limits; host: EngineInfo }> {
    return { limits, host: await info() }
  }
}

async function create(wire: Wire, spec: ContainerSpec, from: Found, signal?: AbortSignal): Promise<string> {
  if (!isRoleOf(spec.labels.role, 'container')) throw internal(`A container cannot have the role ${spec.labels.role}`)
  const doing = `creating container ${spec.name}`
  const { body, later } = makeContainerBody(spec, { api: await wire.api(), ...from })
  const request = { ...change(wire, doing, signal), path: '/containers/create', query: { name: spec.name }, body }
  const answer = await wire.ask({ ...request, expect: [400, 409] })
  if (answer.status === 409) throw nameConflict(doing, spec.name, answer)
  if (answer.status === 400) return create(wire, withoutMissing(doing, spec, answer), from, signal)
  const id = required(fields(answer.body).Id, "the new container's id")
  try {
    for (const nic of later) {
      const connection = { Container: id, EndpointConfig: makeEndpoint(nic, false) }
      const path = route`/networks/${nic.network}/connect`
      const joining = { ...change(wire, `connecting ${spec.name} to network ${nic.network}`, signal), path }
      await askUnless(wire, { ...joining, body: connection }, ['already exists in network'])
    }
  } catch (error) {
    await remove(wire, id, { force: true }).catch(() => undefined)
    throw error
  }
  return id
}

/** The same container without the disk whose source the host does not have, if it can do without. */
function withoutMissing(doing: string, spec: ContainerSpec, { status, words }: EngineAnswer): ContainerSpec {
  const source = missingSource(words)
  const disk = spec.mounts.find((mount) => mount.type === 'bind' && mount.source === source)
  if (disk?.type !== 'bind') throw refusal(doing, status, words)
  if (disk.required)
    throw badRequest(
      `Failed add validation for device "${disk.device}": Missing source path "${disk.source}" for disk "${disk.device}"`,
    )
  return { ...spec, mounts: spec.mounts.filter((mount) => mount !== disk) }
}

/** A taken name, with who has it: after a crash that can be one that only its id leads to. */
function nameConflict(doing: string, name: string, { status, words }: EngineAnswer): Failure {
  const holder = /by container "?([0-9a-f]{12,64})/.exec(words)?.[1]
  if (holder === undefined) return refusal(doing, status, words)
  return conflict(`The name ${name} is taken by container ${holder.slice(0, 12)}`)
}

async function rename(wire: Wire, id: string, name: string, signal?: AbortSignal): Promise<void> {
  const doing = `renaming container ${id} to ${name}`
  const request = { ...change(wire, doing, signal), path: route`/containers/${id}/rename`, query: { name } }
  const answer = await wire.ask({ ...request, expect: [400, 409, 500] })
  if (answer.status < 300 || says(answer.words, 'same name as its current name')) return
  if (says(answer.words, 'already in use')) throw nameConflict(doing, name, answer)
  throw refusal(doing, answer.status, answer.words)
}

async function remove(wire: Wire, id: string, options: { force: boolean }, signal?: AbortSignal): Promise<void> {
  const payload = await inspectPayload(wire, id, signal)
  const doing = `removing container ${id}`
  const request = { ...change(wire, doing, signal), method: 'DELETE', path: route`/containers/${id}` } as const
  const answer = await wire.ask({ ...request, query: { force: options.force, v: false }, expect: [404, 409] })
  if (answer.status === 409) {
    if (!says(answer.words, 'already in progress')) throw refusal(doing, answer.status, answer.words)
    await isOver(wire, id, { condition: 'removed', ms: wire.timeouts.change }, signal)
  }
  await removeCgroupFolders(text(fields(payload?.HostConfig).CgroupParent))
}

/** Sends a signal; false where nothing ran. `+` in a signal's name is encoded by the wire. */
function sendSignal(wire: Wire, id: string, name: string, signal?: AbortSignal): Promise<boolean> {
  const request = { ...change(wire, `sending ${name} to container ${id}`, signal), path: route`/containers/${id}/kill` }
  return askUnless(wire, { ...request, query: { signal: name } }, ['is not running'])
}

async function unpause(wire: Wire, id: string, signal?: AbortSignal): Promise<void> {
  const path = route`/containers/${id}/unpause`
  await askUnless(wire, { ...change(wire, `unpausing container ${id}`, signal), path }, ['is not paused'])
}

/**
 * The engine's own stop ignores the signal given to it below API 1.42, so: kill, wait, kill. A paused one is unpaused
 * first, or it could not act on the signal.
 */
async function stop(
  wire: Wire,
  id: string,
  options: Parameters<Life['stop']>[1],
  signal?: AbortSignal,
): Promise<'stopped' | 'running'> {
  const status = text(fields((await inspectPayload(wire, id, signal))?.State).Status)
  if (status === 'paused') await unpause(wire, id, signal)
  // With no time to wait and the kill to follow, the first signal could not do anything.
  if (options.timeoutSeconds !== 0 || !options.thenKill) {
    if (!(await sendSignal(wire, id, options.stopSignal, signal))) return 'stopped'
    // 0 is no bound for the wait, and here it is no time at all.
    const ms = options.timeoutSeconds < 0 ? 0 : Math.max(1, options.timeoutSeconds * 1000)
    if (await isOver(wire, id, { condition: 'not-running', ms }, signal)) return 'stopped'
    if (!options.thenKill) return 'running'
  }
  await sendSignal(wire, id, 'KILL', signal)
  // Its end cannot be stopped any more: who left now would still find it running.
  if (await isOver(wire, id, { condition: 'not-running', ms: KILLED_WITHIN })) return 'stopped'
  throw timedOut(`Container ${id} did not end within ${KILLED_WITHIN / 1000} s after SIGKILL`)
}

/** Waits by the engine's wait call; false after `ms` milliseconds, 0 for no bound. */
async function isOver(
  wire: Wire,
  id: string,
  until: { condition: 'not-running' | 'removed'; ms: number },
  signal?: AbortSignal,
): Promise<boolean> {
  const enough = new AbortController()
  const timer = until.ms > 0 ? setTimeout(() => enough.abort(), until.ms) : undefined
  const either = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal])
  try {
    const request = {
      doing: `waiting for container ${id}`,
      method: 'POST',
      path: route`/containers/${id}/wait`,
    } as const
    const query = { condition: until.condition }
    await wire.ask({ ...request, query, signal: either, timeout: 0, isBlocking: true, expect: [404] })
    return true
  } catch (error) {
    if (enough.signal.aborted && signal?.aborted !== true) return false
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** "No limit" has another number for each of them, and some numbers cannot be taken back but by the host's own. */
async function updateLimits(
  wire: Wire,
  id: string,
  { limits, host }: { limits: Limits; host: EngineInfo },
  signal?: AbortSignal,
): Promise<void> {
  const current = fields((await inspectPayload(wire, id, signal))?.HostConfig)
  const hasMemory = limits.memoryBytes > 0
  // 0 is ignored and -1 refused; a container that never had a limit is left alone.
  const noMemory = count(current.Memory) === 0 ? {} : { Memory: host.memoryBytes, MemorySwap: host.memoryBytes }
  const body = {
    CpuPeriod: CPU_PERIOD,
    CpuQuota: limits.cpuQuota > 0 ? limits.cpuQuota : -1,
    CpuShares: limits.cpuShares > 0 ? limits.cpuShares : 1024,
    CpusetCpus: limits.cpuSet === '' ? allCpus(host) : limits.cpuSet,
    PidsLimit: limits.processes,
    ...(hasMemory ? { Memory: limits.memoryBytes, MemorySwap: memoryAndSwap(limits) } : noMemory),
  }
  await wire.ask({
    ...change(wire, `changing limits of container ${id}`, signal),
    path: route`/containers/${id}/update`,
    body,
  })
}

function allCpus(host: EngineInfo): string {
  return host.cpus > 1 ? `0-${host.cpus - 1}` : '0'
}
