/** The server itself: what it says about itself, its settings, whether it is able to work. */
import { cpus, freemem, hostname, totalmem } from 'node:os'
import { API_EXTENSIONS } from '../contract/extensions.ts'
import type { ServerRecord } from '../contract/records.ts'
import type { Environment, Resources, ServerPut, ServerView } from '../contract/server.ts'
import { lxdArchitecture, runnableArchitectures } from '../core/architecture.ts'
import type { Engine, EngineInfo } from '../core/engine.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import type { Clock, JobQueue, OperationFigures, OperationStore, RecordStore } from '../core/ports.ts'
import { keptAnswer, requireServer, type Caller } from './caller.ts'
import type { HttpsFacts } from './https-facts.ts'
import { toRefusal } from './operations.ts'
import { changeConfig, showConfig } from './server-config.ts'

export interface ServerDeps {
  engine: Engine
  records: RecordStore
  store: OperationStore
  queue: JobQueue
  clock: Clock
  /** Our own version. */
  version: string
  /** The HTTPS listener, once there is one. */
  https: () => HttpsFacts | undefined
}

/** What is asked of a member for metrics. */
export interface ServerFigures {
  operations: OperationFigures
  queue: { member: string; waiting: number; active: number; workers: number }
  warnings: number
}

export type Server = ReturnType<typeof createServer>

interface Viewed {
  view: ServerView
  etag: string | undefined
}

/** What everyone is told. */
const OPEN = {
  api_extensions: [...API_EXTENSIONS],
  api_status: 'stable' as const,
  api_version: '1.0' as const,
  public: false,
  auth_methods: ['tls', 'token'],
}
const STRANGERS: Viewed = { view: { ...OPEN, auth: 'untrusted' }, etag: undefined }
/** The server's record before anything was set. */
const UNSET: ServerRecord = { v: 1, rev: 0, uuid: 'server', project: '', name: 'server', config: {} }

/** The engine is asked again for what it is after this many milliseconds. */
const INFO_AGE = 10_000
/** Longest a readiness check waits for one part, milliseconds. */
const PATIENCE = 2_000

export function createServer(deps: ServerDeps) {
  const { engine, records, store, queue, clock } = deps
  const info = remember(() => engine.info(AbortSignal.timeout(PATIENCE)), clock)

  let last: { of: [ServerRecord, EngineInfo | undefined]; viewed: Viewed } | undefined

  /**
   * `GET /1.0`: everything for the trusted, the way in for everyone else. An engine that is away leaves blanks. The same
   * object as before while nothing has changed. A project that is named is said again, as LXD does: clients that are
   * bound to one look whether it has been understood.
   */
  async function view(caller: Caller | undefined, project = 'default'): Promise<Viewed> {
    if (caller === undefined) return STRANGERS
    const viewed = await defaultView()
    const { environment } = viewed.view
    if (project === 'default' || environment === undefined) return viewed
    return { ...viewed, view: { ...viewed.view, environment: { ...environment, project } } }
  }

  async function defaultView(): Promise<Viewed> {
    const [record, engineInfo] = await Promise.all([settings(), info().catch(() => undefined)])
    if (last?.of[0] === record && last.of[1] === engineInfo) return last.viewed
    const environment = toEnvironment(engineInfo, deps)
    const viewed: Viewed = {
      view: { config: showConfig(record.config, deps.https()?.address), ...OPEN, auth: 'trusted', environment },
      etag: etagOf(record.uuid, record.rev),
    }
    last = { of: [record, engineInfo], viewed }
    return viewed
  }

  /** Sets (`replace`) or merges the server's own settings. */
  async function update(caller: Caller, body: ServerPut, how: { replace: boolean; ifMatch: string | undefined }) {
    requireServer(caller)
    const record = await settings()
    checkIfMatch(how.ifMatch, etagOf(record.uuid, record.rev))
    const config = await changeConfig({
      given: body.config ?? {},
      before: record.config,
      address: deps.https()?.address,
      replace: how.replace,
      hasRead: how.ifMatch !== undefined,
    })
    const { requestor } = caller
    const written = await records.write({
      changes: [{ change: 'put', noun: 'server', record: { ...record, config } }],
      idempotency: keptAnswer(caller),
      lifecycle: [{ action: 'config-updated', source: '/1.0', context: {}, requestor, project: 'default' }],
      at: clock.now(),
    })
    if (written.outcome !== 'written') throw toRefusal(written, undefined)
  }

  async function settings(): Promise<ServerRecord> {
    const record = await records.find('server', '', 'server')
    return record ?? UNSET
  }

  async function resources(): Promise<Resources> {
    return toResources(await info())
  }

  /** All of the engine's memory, bytes. */
  async function memory(): Promise<number> {
    return (await info()).memoryBytes
  }

  /** The parts that do not answer: `redis`, `engine`, `workers`. */
  async function missing(): Promise<string[]> {
    const [counts, pinged] = await Promise.allSettled([
      bounded(queue.counts(engine.member)),
      bounded(engine.ping(AbortSignal.timeout(PATIENCE))),
    ])
    const absent: string[] = []
    if (counts.status === 'rejected') absent.push('redis')
    else if (counts.value.workers === 0) absent.push('workers')
    if (pinged.status === 'rejected') absent.push('engine')
    return absent
  }

  async function figures(): Promise<ServerFigures> {
    const { member } = engine
    const [operations, counts, warnings] = await Promise.all([
      store.figures(),
      queue.counts(member),
      records.list('warning'),
    ])
    const unresolved = warnings.filter((warning) => warning.status !== 'resolved').length
    return { operations, queue: { member, ...counts }, warnings: unresolved }
  }

  return { view, update, resources, memory, missing, figures }
}

/** Calls again only when the last answer is old; one call at a time. */
function remember<T>(ask: () => Promise<T>, clock: Clock): () => Promise<T> {
  let last: { at: number; answer: Promise<T> } | undefined
  return () => {
    if (last !== undefined && clock.now() - last.at < INFO_AGE) return last.answer
    const asked = { at: clock.now(), answer: ask() }
    last = asked
    asked.answer.catch(() => {
      if (last === asked) last = undefined
    })
    return asked.answer
  }
}

/** Rejects when there is no answer in time. */
async function bounded<T>(answer: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error('No answer in time')), PATIENCE)
  try {
    return await Promise.race([answer, promise])
  } finally {
    clearTimeout(timer)
  }
}

function toEnvironment(info: EngineInfo | undefined, deps: ServerDeps): Environment {
  const https = deps.https()
  return {
    ...BLANK,
    ...(info !== undefined && toEngineSide(info)),
    addresses: https?.addresses ?? [],
    certificate: https?.certificate ?? '',
    certificate_fingerprint: https?.fingerprint ?? '',
    server_pid: process.pid,
    server_version: deps.version,
  }
}

/** What can be said while the engine is away; the fields that have no meaning on Docker stay so. */
const BLANK = {
  architectures: [],
  driver: 'docker',
  driver_version: '',
  firewall: '',
  kernel: 'Linux',
  kernel_architecture: '',
  kernel_features: {},
  kernel_version: '',
  lxc_features: {},
  os_name: '',
  os_version: '',
  project: 'default',
  server: 'windlass',
  server_clustered: false,
  server_event_mode: 'full-mesh',
  server_name: hostname(),
  storage: '',
  storage_version: '',
  storage_supported_drivers: [],
}

function toEngineSide(info: EngineInfo) {
  // "Debian GNU/Linux 12 (bookworm)": the version begins with the first number.
  const [name = '', ...version] = info.os.split(/ (?=[0-9])/)
  return {
    architectures: runnableArchitectures(info.architecture),
    driver_version: info.version,
    kernel_architecture: lxdArchitecture(info.architecture),
    kernel_version: info.kernel,
    os_name: name,
    os_version: version.join(' '),
    server_name: info.name,
    storage: info.storageDriver,
    storage_version: info.version,
    storage_supported_drivers: [{ Name: info.storageDriver, Version: info.version, Remote: false }],
  }
}

function toResources(info: EngineInfo): Resources {
  // Only an engine on this machine has the memory and the processors we can look at.
  const isHere = info.memoryBytes === totalmem()
  const used = isHere ? totalmem() - freemem() : 0
  const { model = '', speed: frequency = 0 } = (isHere ? cpus()[0] : undefined) ?? {}
  const total = info.memoryBytes
  const architecture = lxdArchitecture(info.architecture)
  const cores = Array.from({ length: info.cpus }, (_, core) => ({
    core,
    die: 0,
    frequency,
    threads: [{ id: core, numa_node: 0, thread: 0, online: true, isolated: false }],
  }))
  return {
    cpu: {
      architecture,
      sockets: [{ name: model, vendor: '', socket: 0, frequency, cache: [], cores }],
      total: info.cpus,
    },
    memory: {
      nodes: [{ numa_node: 0, hugepages_used: 0, hugepages_total: 0, used, total }],
      hugepages_total: 0,
      hugepages_used: 0,
      hugepages_size: 0,
      used,
      total,
    },
    gpu: { cards: [], total: 0 },
    network: { cards: [], total: 0 },
    storage: { disks: [], total: 0 },
    usb: { devices: [], total: 0 },
    pci: { devices: [], total: 0 },
    system: {
      uuid: '',
      vendor: '',
      product: '',
      family: '',
      version: '',
      sku: '',
      serial: '',
      type: 'physical',
      firmware: null,
      chassis: null,
      motherboard: null,
    },
  }
}
