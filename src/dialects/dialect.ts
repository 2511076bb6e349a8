/** What every dialect is: an encapsulated scope over the services, with its own paths, errors, tokens and document. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { InstancesPost } from '../contract/instance.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import { type Failure, unauthorized } from '../core/failure.ts'
import type { Clock } from '../core/ports.ts'
import type { Aliases } from '../services/aliases.ts'
import type { Caller } from '../services/caller.ts'
import type { Commands } from '../services/commands.ts'
import type { Directory } from '../services/directory.ts'
import type { ImageNames } from '../services/image-names.ts'
import type { Images } from '../services/images.ts'
import type { InstanceLogs } from '../services/instance-logs.ts'
import type { Instances } from '../services/instances.ts'
import type { Networks } from '../services/networks.ts'
import type { Nickname, Nicknames } from '../services/nicknames.ts'
import type { Operations } from '../services/operations.ts'
import type { RunStates } from '../services/run-states.ts'
import type { Server } from '../services/server.ts'
import type { Snapshots } from '../services/snapshots.ts'
import type { StatsHistory } from '../services/stats-history.ts'
import type { Tokens } from '../services/tokens.ts'
import type { DialectName } from './names.ts'
import type { DialectSettings } from './settings.ts'

export type DialectApp = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** The services a dialect may call. */
export interface DialectServices {
  operations: Operations
  instances: Instances & {
    create(
      caller: Caller,
      project: string,
      body: InstancesPost,
      nickname?: Nickname | Nickname[],
    ): Promise<OperationRecord>
  }
  snapshots: Snapshots
  logs: InstanceLogs
  images: Images
  aliases: Aliases
  imageNames: ImageNames
  directory: Directory
  nicknames: Nicknames
  networks: Pick<Networks, 'get'>
  commands: Commands
  runStates: RunStates
  statsHistory: Pick<StatsHistory, 'of'>
  tokens: Tokens
  server: Server
}

export interface DialectKit {
  services: DialectServices
  clock: Clock
  /** '' or the prefix it is mounted under: belongs before every URL it gives. */
  prefix: string
  /** How long a request waits for work that the original did at once, milliseconds. */
  patience: number
  settings: DialectSettings
}

export interface Dialect {
  name: DialectName
  title: string
  description: string
  /** The paths under which everything is this dialect's, its own 404 and 405 included: `/api/v1`. */
  roots: readonly string[]
  /** True where the original had no authentication: an operator may open it (WINDLASS_OPEN_DIALECTS). */
  openable: boolean
  /** A token in a place of the dialect's own; asked before Bearer and Basic. undefined: not there; '' is a wrong one. */
  secretOf?(request: FastifyRequest): string | undefined
  /** Of the OpenAPI document, beside Bearer and Basic. */
  securitySchemes?: Record<string, object>
  /** Paths (with the prefix of none) that answer without a token. */
  open?: readonly string[]
  routes(app: DialectApp, kit: DialectKit): void
  /** Every failure in the dialect's own shape. `method-not-allowed` is a known path with another method. */
  answer(failure: Failure, request: FastifyRequest, reply: FastifyReply): FastifyReply
}

/** Who asks; routes that are open may have nobody. */
export function callerOf({ visitor }: FastifyRequest): Caller {
  if (visitor === undefined) throw unauthorized('not authorized')
  return visitor
}

/** The operation when it has succeeded; throws its failure, or a timeout that names its URL while it goes on. */
export function settle({ services, patience }: DialectKit, operation: OperationRecord): Promise<OperationRecord> {
  return services.operations.finish(operation, patience)
}

/**
 * A route whose work is one operation: `begin` submits it, `end` makes the body of the answer when it has succeeded.
 * A repeat by Idempotency-Key is answered by `end` alone.
 */
export function byOperation(
  kit: DialectKit,
  begin: (request: FastifyRequest) => Promise<OperationRecord>,
  end: (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord) => Promise<unknown>,
) {
  return {
    config: { repeated: end },
    handler: async (request: FastifyRequest, reply: FastifyReply) =>
      reply.send(await end(request, reply, await settle(kit, await begin(request)))),
  }
}

/** Both forms of a path, with and without a slash at the end: neither is redirected. */
export function bothSlashes(path: string): [string, string] {
  const bare = path.replace(/\/$/, '')
  return [bare, `${bare}/`]
}
