import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, RawServerDefault } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { Caller } from '../services/caller.ts'

/** The application, with handlers typed by the schemas of their routes. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** An API's OpenAPI document. */
export interface ApiDocument {
  title: string
  /** As it is for somebody who has reached this server under that host name. */
  read(hostname: string): Exclude<ReturnType<FastifyInstance['swagger']>, string>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered to strangers as well; `records`: but not while the records are lost. */
    open?: boolean | 'records'
    /** The token may be the password of HTTP Basic, as where the URL of this comes from: from a dialect. */
    password?: boolean
    /** The body is handed to the handler as a stream, unless it is JSON. */
    streamed?: boolean
    /**
     * The body of the answer to a repeat by Idempotency-Key, where it is not LXD's. The operation has succeeded, but on
     * routes that answer 202, where it is as it is.
     */
    repeated?: (request: FastifyRequest, reply: FastifyReply, operation: OperationRecord) => Promise<unknown>
  }
  interface FastifyInstance {
    /** The OpenAPI documents by name, its own one first, readable once the application is ready. */
    documents: Map<string, ApiDocument>
  }
  interface FastifyRequest {
    /** Who asks; undefined for a stranger on an open route. */
    visitor: Caller | undefined
    /** The newest event before this request did anything. */
    eventCursor: string
    /** SHA-256 of the body as it came, where the request has an Idempotency-Key. */
    bodyHash: string | undefined
    /** Runs work among the reads of this request. */
    inScope: (work: () => void) => void
  }
}
