import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEngine, type TestEngine } from './engine.ts'
import { makeOwnedDirectory, sweepLeftovers } from './owned-directory.ts'
import { importTinyImage } from './tiny-image.ts'

const PREFIX = 'windlass-tests-'

declare module 'vitest' {
  interface ProvidedContext {
    /** Unix socket of the process that starts the run's one engine when the first test file asks for it. */
    engineBroker: string
  }
}

/** What the broker answers about the run's one engine. */
export interface SharedEngineNote {
  readonly socket: string
  readonly pid: number | undefined
  readonly imageId: string
}

interface Shared {
  readonly engine: TestEngine
  readonly note: SharedEngineNote
}

let shared: Promise<Shared> | undefined
let server: Server | undefined
let directory: string | undefined

/** Runs once before all test files: opens the broker; the engine itself starts when a file asks (unit tests never do). */
export async function setup(project: TestProject): Promise<void> {
  await sweepLeftovers(PREFIX, () => Promise.resolve())
  directory = await makeOwnedDirectory(PREFIX)
  const socket = join(directory, 'broker.sock')
  server = createServer((_, response) => {
    shared ??= startShared()
    shared.then(
      ({ note }) => response.end(JSON.stringify(note)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
  })
  await new Promise<void>((resolve) => server?.listen(socket, resolve))
  project.provide('engineBroker', socket)
}

/** Runs once after all test files. */
export async function teardown(): Promise<void> {
  server?.close()
  server?.closeAllConnections()
  const running = await shared?.catch(() => undefined)
  await running?.engine[Symbol.asyncDispose]()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
}

async function startShared(): Promise<Shared> {
  const engine = await startEngine()
  try {
    const imageId = await importTinyImage(engine.socket)
    return { engine, note: { socket: engine.socket, pid: engine.pid, imageId } }
  } catch (error) {
    await engine[Symbol.asyncDispose]()
    throw error
  }
}
