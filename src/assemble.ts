/** The services of an API process over its real adapters: who gets what. */
import { arch, hostname } from 'node:os'
import packageJson from '../package.json' with { type: 'json' }
import { assembleCredentials, type Https } from './assemble-credentials.ts'
import { assembleImageSources, assembleInstances, assembleMoving } from './assemble-instances.ts'
import { assembleVolumes } from './assemble-volumes.ts'
import { lxdArchitecture } from './core/architecture.ts'
import type { EventBus, Peers, RecordStore } from './core/ports.ts'
import type { Freshness } from './http/gate.ts'
import type { OpenScope } from './http/read-scope.ts'
import { openEventBus } from './redis/event-bus.ts'
import { createRedisLeader } from './redis/leader.ts'
import { openPresence, type Presence } from './redis/peers.ts'
import { openMirror, type Mirror } from './redis/mirror.ts'
import { createRedisReadingStore } from './redis/reading-store.ts'
import { createCommands } from './services/commands.ts'
import { createConsoles } from './services/consoles.ts'
import { createInstanceMetadata } from './services/instance-metadata.ts'
import { createDirectory } from './services/directory.ts'
import { createDrafts, createHosts } from './services/drafts.ts'
import { createEvents } from './services/events.ts'
import { createFirstStart } from './services/first-start.ts'
import { createForgottenNames } from './services/forgotten-names.ts'
import { createForeign } from './services/foreign.ts'
import { readHostBridge } from './services/host-bridges.ts'
import { readHostNetworks } from './services/host-networks.ts'
import { createInstanceFiles } from './services/instance-files.ts'
import { createInstanceLogs } from './services/instance-logs.ts'
import { createInstanceSessions } from './services/instance-sessions.ts'
import { createInstanceViews, type InstanceViews } from './services/instance-views.ts'
import { createInventory, type Inventory } from './services/inventory.ts'
import type { OpenKept } from './services/kept-files.ts'
import { createLeases } from './services/leases.ts'
import { createNetworks } from './services/networks.ts'
import { createNicknames } from './services/nicknames.ts'
import { createOperations, type Operations } from './services/operations.ts'
import { createProfileEffects } from './services/profile-effects.ts'
import { createProfiles } from './services/profiles.ts'
import { createProjectRoom } from './services/project-room.ts'
import { createProjects } from './services/projects.ts'
import { createReconciling } from './services/reconciling.ts'
import { createRunStates } from './services/run-states.ts'
import { createSampler } from './services/sampler.ts'
import { createScheduleSources } from './services/schedule-sources.ts'
import { createServer } from './services/server.ts'
import { createStatsHistory, type StatsHistory } from './services/stats-history.ts'
import { createStorage } from './services/storage.ts'
import { createStreams, type Streams } from './services/streams.ts'
import { createSweeper } from './services/sweeper.ts'
import { createUsedBy } from './services/used-by.ts'
import { createWaits } from './services/waits.ts'
import { createWarnings } from './services/warnings.ts'
import { createWrites, type Write } from './services/writes.ts'
import { createPoints } from './test-points.ts'
import { findLostStreams } from './sweep/lost-streams.ts'
import { openPower } from './open-power.ts'
import { openSchedules } from './open-schedules.ts'
import { openSweep, openSweeping } from './open-sweep.ts'
import type { Sweep } from './sweep/sweep.ts'
import type { Deps } from './wire.ts'

/** How often the engines are listed in whole, milliseconds. */
const RELIST = 30_000
/** Answers come from memory for so long while Redis is away, milliseconds. */
const STALE = 60_000

/** Opens what only an API process has (event log, mirror, inventory, sweeper) and makes its services. `https`: the listener, once it listens. */
export async function assemble(deps: Deps, https: Https) {
  const reading = await openReading(deps)
  const operations = openOperations(deps, reading)
  const presence = await openPresence(deps.database, {
    self: `api-${deps.clock.uuid()}`,
    host: hostname(),
    onError: (error) => deps.log.warn({ err: error }, 'Saying that this process lives'),
  })
  deps.onClose(() => presence.close())
  const streams = openStreams(deps, { ...reading, operations, presence })
  const credentials = assembleCredentials(deps, { ...reading, operations, https })
  const sweep = openSweep(deps)
  const { freshness, openScope } = reading
  const services = assembleServices(deps, { ...reading, operations, streams, https, sweep })
  openSweeper(deps, presence, [
    ...openPower({ ...deps, ...reading, operations }),
    openSweeping({ ...deps, ...reading, sweep }),
    createForgottenNames({ ...deps, ...reading }),
    credentials.trust.expire,
    openSchedules(deps, createScheduleSources({ ...reading, ...services, views: services.instances })),
  ])
  return { ...services, ...credentials, presence, freshness, openScope }
}

interface Assembled {
  operations: Operations
  streams: Streams
  https: Https
  sweep: Sweep
}

interface Reading {
  bus: EventBus
  inventory: Inventory
  /** Reads come from the mirror, writes go to the store. */
  records: RecordStore
  freshness(): Freshness
  openScope: OpenScope
  /** The call with its answer; reads that follow in the same request see what was written until then. */
  renewing<A extends unknown[], R>(call: (...args: A) => Promise<R>): (...args: A) => Promise<R>
}

async function openReading(deps: Deps): Promise<Reading> {
  const { log, clock, engines, database, records: store } = deps
  let mirror: Mirror | undefined
  const bus = openEventBus({
    database,
    subscriber: deps.connect('subscriber'),
    onGap: () => mirror?.reload(),
    onError: (error) => log.warn({ err: error }, 'Event log'),
  })
  deps.onClose(() => bus.close())
  await bus.ready
  const onLost = (member: string, error: Error) => log.warn({ member, err: error }, 'The engine does not answer')
  const inventory = createInventory({ engines, clock, relist: RELIST, onLost })
  deps.onClose(() => inventory.close())
  mirror = openMirror({
    database,
    store,
    bus,
    onObserved: inventory.saw,
    onError: (error) => log.warn({ err: error }, 'Mirror'),
  })
  const opened = mirror
  deps.onClose(() => opened.close())
  const renewing: Reading['renewing'] =
    (call) =>
    async (...args) => {
      try {
        return await call(...args)
      } finally {
        opened.renew()
      }
    }
  await Promise.all([opened.ready, inventory.settled])
  return {
    bus,
    inventory,
    records: {
      get: opened.get,
      find: opened.find,
      list: opened.list,
      owned: opened.owned,
      write: renewing(store.write),
      idempotent: renewing(store.idempotent),
      unreadable: store.unreadable,
    },
    openScope: opened.scope,
    renewing,
    freshness: () => freshnessOf(opened.staleSince(), clock.now()),
  }
}

function freshnessOf(staleSince: number | undefined, now: number): Freshness {
  if (staleSince === undefined) return 'fresh'
  return now - staleSince < STALE ? 'stale' : 'lost'
}

function openOperations(deps: Deps, { bus, renewing }: Reading): Operations {
  const { config, log, clock, store, queue, birth } = deps
  const waits = createWaits({ bus, store, longest: config.WINDLASS_LONGEST_WAIT })
  deps.onClose(() => waits.close())
  const operations = createOperations({
    store: { ...store, accept: renewing(store.accept), get: renewing(store.get) },
    queue,
    waits: { ...waits, until: renewing(waits.until) },
    clock,
    birth,
    retention: config.WINDLASS_KEEP_DAYS,
    onQueueFailure: (failure, { id }) =>
      log.warn({ err: failure, operation: id }, 'Queueing failed; the sweeper queues it'),
    point: createPoints(config.WINDLASS_TEST_POINT),
  })
  deps.onClose(() => operations.close())
  return operations
}

function openStreams(
  { config, log, clock, store, onClose }: Deps,
  { bus, operations, presence }: Pick<Reading, 'bus'> & { operations: Operations; presence: Presence },
): Streams {
  const streams = createStreams({
    operations,
    store,
    bus,
    peers: presence,
    clock,
    window: config.WINDLASS_ATTACH_WITHIN,
    onError: (error, operation) => log.warn({ err: error, operation }, 'Carrying streams'),
  })
  onClose(() => streams.close())
  return streams
}

function openSweeper(deps: Deps, peers: Peers, chores: (() => Promise<void>)[]): void {
  const { config, log, clock, store, queue, database, records, engines } = deps
  const sweeper = createSweeper({
    leader: createRedisLeader(database, 'sweeper', clock.uuid()),
    store,
    queue,
    clock,
    keep: { age: config.WINDLASS_KEEP_DAYS, operations: config.WINDLASS_KEEP_OPERATIONS },
    chores,
    lookers: [(ids) => findLostStreams({ store, peers, records, engines, clock }, ids)],
    onError: (failure) => log.warn({ err: failure }, 'Sweeping'),
  })
  deps.onClose(() => sweeper.close())
}

function openStatsHistory(deps: Deps, { inventory, records }: Pick<Reading, 'inventory' | 'records'>): StatsHistory {
  const { clock, log, engines, database } = deps
  const history = createStatsHistory({
    engines,
    inventory,
    records,
    store: createRedisReadingStore(database),
    leaderOf: (member) => createRedisLeader(database, `stats-${member}`, clock.uuid()),
    clock,
    onError: (failure) => log.warn({ err: failure }, 'Reading stats'),
  })
  deps.onClose(() => history.close())
  return history
}

interface Inside {
  views: InstanceViews
  streams: Streams
  inventory: Inventory
  write: Write
  openKept: OpenKept
}

/** What is run in instances, and what they say. */
function assembleInside({ clock, engines }: Deps, { views, streams, inventory, write, openKept }: Inside) {
  const foreign = createForeign({ engines })
  return {
    streams,
    foreign,
    runStates: createRunStates({ inventory }),
    sessions: createInstanceSessions({ engines, streams, write }),
    commands: createCommands({ views, engines, foreign, clock }),
    logs: createInstanceLogs({ views, engines, foreign, write, openKept }),
    consoles: createConsoles({ views, engines, streams, write }),
    metadata: createInstanceMetadata({ views, write }),
  }
}

function assembleServices(deps: Deps, { bus, inventory, records, renewing, operations, ...rest }: Reading & Assembled) {
  const { streams, https, sweep } = rest
  const { config, clock, store, queue, engines } = deps
  const [engine] = engines.values()
  if (engine === undefined) throw new Error('No member is configured')
  const { member } = engine
  const { version } = packageJson
  const { DOCKER_HOST } = config
  const architecture = lxdArchitecture(arch() === 'x64' ? 'amd64' : arch())
  const isLocal = DOCKER_HOST === undefined || DOCKER_HOST.startsWith('unix://')

  const write = createWrites({ records, clock })
  const common = { records, operations, clock, engines, member, store, ...assembleMoving(deps, write) }
  const usedBy = createUsedBy({ records, store: { recent: renewing(store.recent) } })
  const room = createProjectRoom({ records, usedBy })
  const leases = createLeases({ records, clock })
  const hosts = createHosts(engines)
  const drafts = createDrafts({ records, hosts })
  const imagery = assembleImageSources(config, { ...common, architecture })
  const views = createInstanceViews({ records, inventory, sampler: createSampler({ engines, clock }), architecture })
  const { foreign, sessions, ...inside } = assembleInside(deps, { ...common, views, streams, inventory, write })
  const making = { drafts, leases, room, write, architecture }
  const whole = { ...common, ...imagery, ...making, views, foreign, sessions, streams }
  const effects = createProfileEffects({ ...common, leases, room, hosts })
  const networks = createNetworks({
    ...common,
    write,
    usedBy,
    room,
    hostNetworks: readHostNetworks,
    hostBridge: readHostBridge,
  })
  const warnings = createWarnings({ records, clock })
  const nicknames = createNicknames({ records, clock })
  return {
    version,
    records,
    operations,
    events: createEvents({ bus, records }),
    server: createServer({ ...common, engine, queue, version, https }),
    warnings,
    nicknames,
    directory: createDirectory({ views, nicknames, records }),
    ...inside,
    ...assembleInstances(deps, whole),
    files: createInstanceFiles({ ...common, store: { busy: renewing(store.busy) }, views, foreign, write }),
    statsHistory: openStatsHistory(deps, { inventory, records }),
    profiles: createProfiles({ ...common, write, usedBy, effects }),
    networks,
    projects: createProjects({ ...common, write, usedBy, room }),
    storage: createStorage({ records, engine, isLocal }),
    ...assembleVolumes({ ...common, write, usedBy }),
    reconciling: createReconciling({ operations, member }),
    prepare: createFirstStart({ ...common, networks, warnings, sweep }),
  }
}
