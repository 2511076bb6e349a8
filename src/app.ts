/** The application: every scope in the order in which it is registered. A table of contents, no logic. */
import websocket from '@fastify/websocket'
import fastify, { LogController, type FastifyBaseLogger, type FastifyServerOptions } from 'fastify'
import { systemClock } from './clock.ts'
import type { Clock, RecordStore } from './core/ports.ts'
import { answerInDialects, mountDialect, type Mounted, type MountTools } from './dialects/mount.ts'
import type { Openness } from './dialects/openness.ts'
import { DEFAULT_SETTINGS, type DialectSettings } from './dialects/settings.ts'
import type { ApiDocument, App } from './http/app-types.ts'
import { acceptBodies, JSON_LIMIT, readBody, readOutTooLarge } from './http/bodies.ts'
import { sendBrowserHeaders } from './http/browser-headers.ts'
import { callerByCertificate, callerByToken, identify, trustedCaller } from './http/caller.ts'
import { answerClientError, answerFailure, fromFramework } from './http/errors.ts'
import { guard, refuseWhenLost, type Freshness } from './http/gate.ts'
import { honourIdempotencyKeys } from './http/idempotency.ts'
import { describeApi, serveDocuments } from './http/openapi.ts'
import { sendPlainJson } from './http/plain-json.ts'
import { scopeReads, type OpenScope } from './http/read-scope.ts'
import { logRequests } from './http/request-log.ts'
import { answerUnknown } from './http/unknown.ts'
import { absentRoutes, refuseTargets } from './http/v1/absent.ts'
import { aliasRoutes } from './http/v1/aliases.ts'
import { backupRoutes } from './http/v1/backups.ts'
import { certificateRoutes } from './http/v1/certificates.ts'
import { eventRoutes } from './http/v1/events.ts'
import { consoleRoutes } from './http/v1/console.ts'
import { fileRoutes } from './http/v1/files.ts'
import { healthRoutes } from './http/v1/health.ts'
import { imageRoutes } from './http/v1/images.ts'
import { metadataRoutes } from './http/v1/instance-metadata.ts'
import { instanceRoutes, type InstanceRoutesDeps } from './http/v1/instances.ts'
import { logRoutes } from './http/v1/logs.ts'
import { metricRoutes } from './http/v1/metrics.ts'
import { networkRoutes } from './http/v1/networks.ts'
import { operationSocketRoutes } from './http/v1/operation-sockets.ts'
import { operationRoutes } from './http/v1/operations.ts'
import { profileRoutes } from './http/v1/profiles.ts'
import { projectRoutes } from './http/v1/projects.ts'
import { reconcileRoutes } from './http/v1/reconcile.ts'
import { serverRoutes } from './http/v1/server.ts'
import { snapshotRoutes } from './http/v1/snapshots.ts'
import { storageRoutes } from './http/v1/storage.ts'
import { tokenRoutes } from './http/v1/tokens.ts'
import { volumeBackupRoutes } from './http/v1/volume-backups.ts'
import { volumeSnapshotRoutes } from './http/v1/volume-snapshots.ts'
import { volumeRoutes } from './http/v1/volumes.ts'
import { warningRoutes } from './http/v1/warnings.ts'
import type { Aliases } from './services/aliases.ts'
import type { Backups } from './services/backups.ts'
import type { Certificates } from './services/certificates.ts'
import type { Commands } from './services/commands.ts'
import type { Consoles } from './services/consoles.ts'
import type { InstanceMetadatas } from './services/instance-metadata.ts'
import type { Directory } from './services/directory.ts'
import type { Events } from './services/events.ts'
import type { ImageNames } from './services/image-names.ts'
import type { Images } from './services/images.ts'
import type { InstanceFiles } from './services/instance-files.ts'
import type { InstanceImport } from './services/instance-import.ts'
import type { InstanceLogs } from './services/instance-logs.ts'
import type { Networks } from './services/networks.ts'
import type { Nicknames } from './services/nicknames.ts'
import type { Operations } from './services/operations.ts'
import type { Profiles } from './services/profiles.ts'
import type { Projects } from './services/projects.ts'
import type { Reconciling } from './services/reconciling.ts'
import type { RunStates } from './services/run-states.ts'
import type { Server } from './services/server.ts'
import type { Snapshots } from './services/snapshots.ts'
import type { StatsHistory } from './services/stats-history.ts'
import type { Storage } from './services/storage.ts'
import type { Streams } from './services/streams.ts'
import type { Tokens } from './services/tokens.ts'
import type { VolumeBackups } from './services/volume-backups.ts'
import type { VolumeCopies } from './services/volume-copies.ts'
import type { VolumeImport } from './services/volume-import.ts'
import type { VolumeSnapshots } from './services/volume-snapshots.ts'
import type { Volumes } from './services/volumes.ts'
import type { Warnings } from './services/warnings.ts'

/** Everything the API can do. */
export interface Services {
  operations: Operations
  events: Events
  streams: Pick<Streams, 'find' | 'join'>
  server: Server
  tokens: Tokens
  certificates: Certificates
  warnings: Warnings
  instances: InstanceRoutesDeps['instances']
  imports: InstanceImport
  snapshots: Snapshots
  backups: Backups
  logs: InstanceLogs
  consoles: Consoles
  metadata: InstanceMetadatas
  files: InstanceFiles
  images: Images
  aliases: Aliases
  profiles: Profiles
  networks: Networks
  projects: Projects
  storage: Storage
  volumes: Volumes
  volumeCopies: VolumeCopies
  volumeSnapshots: VolumeSnapshots
  volumeBackups: VolumeBackups
  volumeImports: VolumeImport
  directory: Directory
  nicknames: Nicknames
  imageNames: ImageNames
  commands: Commands
  reconciling: Reconciling
  runStates: RunStates
  statsHistory: Pick<StatsHistory, 'of'>
  /** For idempotency keys. */
  records: Pick<RecordStore, 'idempotent'>
}

export interface AppOptions {
  logger?: FastifyBaseLogger
  version: string
  freshness?: () => Freshness
  /** For the reads of one request; without it each of them is on its own. */
  openScope?: OpenScope
  /** False: only dialects are served here, and the operations that their answers name. */
  native?: boolean
  dialects?: readonly Mounted[]
  /** Of APIs that are served elsewhere, by name. */
  documents?: Iterable<readonly [string, ApiDocument]>
  openness?: Openness
  /** How long a dialect's request waits for its work, milliseconds. */
  patience?: number
  dialectSettings?: DialectSettings
  clock?: Clock
}

/** Builds the application; nothing listens yet. */
export function buildApp({ services, options }: { services: Services; options: AppOptions }): App {
  const { dialects: mounted = [], native: isNative = true } = options
  const inDialects = answerInDialects(mounted, isNative)
  const app: App = fastify({
    ...FRAMEWORK,
    frameworkErrors: (error, request, reply) =>
      void (inDialects(fromFramework(error), request, reply) ?? answerFailure(error, request, reply)),
    ...(options.logger && { loggerInstance: options.logger }),
  })
  app.decorate('documents', new Map())
  app.setSerializerCompiler(() => JSON.stringify)
  app.setErrorHandler(answerFailure)
  sendBrowserHeaders(app)
  if (options.openScope !== undefined) scopeReads(app, options.openScope)
  answerUnknown(app, inDialects)
  logRequests(app)
  sendPlainJson(app)
  app.register(websocket, { options: { maxPayload: JSON_LIMIT } })
  app.register(async (native: App) => {
    await prepareNative(native, services, options)
    if (isNative) nativeRoutes(native, services)
    else operationRoutes(native, services)
  })
  for (const { dialect, prefix } of mounted) mountDialect(app, dialect, prefix, dialectTools(app, services, options))
  app.register(async (documents: App) => {
    for (const [name, document] of options.documents ?? []) app.documents.set(name, document)
    serveDocuments(documents)
  })
  return app
}

async function prepareNative(native: App, services: Services, options: AppOptions): Promise<void> {
  await describeApi(native, options.version)
  // A scope with schemas of its own does not inherit it; Fastify's would leave out what a union's first part lacks.
  native.setSerializerCompiler(() => JSON.stringify)
  acceptBodies(native)
  guard(native, { ...services, freshness: options.freshness ?? (() => 'fresh') })
  honourIdempotencyKeys(native, services)
}

function nativeRoutes(native: App, services: Services): void {
  refuseTargets(native)
  native.documents.set('native', { title: 'Windlass (LXD)', read: () => native.swagger() })
  serverRoutes(native, services)
  reconcileRoutes(native, services)
  operationRoutes(native, services)
  operationSocketRoutes(native, services)
  eventRoutes(native, {
    events: services.events,
    isWelcome: async (request) => (await identify(request, services)) !== undefined,
  })
  for (const root of ['instances', 'containers'] as const) {
    instanceRoutes(native, services, root)
    snapshotRoutes(native, services, root)
    backupRoutes(native, services, root)
    logRoutes(native, services, root)
    consoleRoutes(native, services, root)
    metadataRoutes(native, services, root)
    fileRoutes(native, services, root)
  }
  imageRoutes(native, services)
  aliasRoutes(native, services)
  profileRoutes(native, services)
  networkRoutes(native, services)
  projectRoutes(native, services)
  storageRoutes(native, services)
  volumeRoutes(native, services)
  volumeSnapshotRoutes(native, services)
  volumeBackupRoutes(native, services)
  tokenRoutes(native, services)
  certificateRoutes(native, services)
  warningRoutes(native, services)
  absentRoutes(native)
  metricRoutes(native, services)
  healthRoutes(native, services)
}

function dialectTools(app: App, services: Services, options: AppOptions): MountTools {
  const freshness = options.freshness ?? (() => 'fresh' as const)
  return {
    kit: {
      services,
      clock: options.clock ?? systemClock,
      patience: options.patience ?? 60_000,
      settings: options.dialectSettings ?? DEFAULT_SETTINGS,
    },
    version: options.version,
    openness: options.openness ?? { dialects: new Set(), anywhere: false },
    trusted: trustedCaller,
    byToken: (secret, request) => callerByToken(secret, request, services),
    byCertificate: (request) => callerByCertificate(request, services),
    toFailure: fromFramework,
    readBody: (payload) => readBody(payload),
    prepare: (scope) => {
      refuseWhenLost(scope, freshness)
      readOutTooLarge(scope)
      honourIdempotencyKeys(scope, services)
    },
    document: (name, title, read) => app.documents.set(name, { title, read }),
  }
}

const FRAMEWORK: FastifyServerOptions = {
  bodyLimit: JSON_LIMIT,
  routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: false, caseSensitive: true },
  exposeHeadRoutes: false,
  // What goes wrong is logged where it is answered; a line per request at info would cost more than most requests.
  logController: new LogController({ disableRequestLogging: true }),
  // Bodies mean what they say: nothing is removed, nothing is turned into something else.
  ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
  clientErrorHandler: answerClientError,
}
