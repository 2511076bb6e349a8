/** What is asked of an engine, and what comes back. */
import type { Readable } from 'node:stream'
import type { Fields } from './read.ts'

/** All in milliseconds. */
export interface Timeouts {
  /** Calls that are answered at once. */
  answer: number
  /**
   * Calls that start, stop, make or remove something; many at once take their time. An archive's end: the engine writes
   * its files as they come, so that only the last pieces are left.
   */
  change: number
  /** Calls that copy files: commit, the end of an image's upload. */
  work: number
  /** Streams on which nothing moves. */
  idle: number
}

export interface EngineRequest {
  /** A gerund with its object for the failure's sentence: `starting container web`. */
  doing: string
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  /** Made by `route`. */
  path: string
  query?: Readonly<Record<string, string | number | boolean | readonly string[]>>
  body?: Fields
  /** Sent as it is; destroyed when the call is over. */
  file?: Readable
  headers?: Readonly<Record<string, string>>
  signal?: AbortSignal | undefined
  /**
   * Happens even if its caller leaves, beside whatever that does next: the signal only keeps it from being sent.
   */
  isChange?: boolean
  /** Milliseconds until the answer is there, `answer` if not said, and after a file's end `change`; 0: as long as it takes. */
  timeout?: number
  /** Waits for something outside the engine (a process, an upload), so that it must not hold others up. */
  isBlocking?: boolean
  /** Statuses besides 2xx that are answers and no failures. */
  expect?: readonly number[]
  /** Asks without an API version in the path. */
  unversioned?: boolean
}

export interface EngineAnswer {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** The decoded body, undefined for none; a string where it is no JSON. */
  body: unknown
  /** The body as it came. */
  text: string
  /** The engine's error text where the status is not 2xx. */
  words: string
}

/** A path with its values encoded: route`/containers/${name}/start`. */
export function route(parts: TemplateStringsArray, ...values: string[]): string {
  return parts.reduce((path, part, index) => path + encodeURIComponent(values[index - 1] ?? '') + part)
}
