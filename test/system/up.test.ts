import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env } from 'node:process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SetupError } from '../../src/setup/host.ts'
import { redisPidFile } from '../../src/setup/redis.ts'
import { up, type UpOptions } from '../../src/setup/up.ts'
import { isGoneWithin, sendSignal, startOf } from '../../src/setup/processes.ts'
import { until } from '../support/processes.ts'

interface Note {
  readonly role: string
  readonly event: string
  readonly pid: number
  readonly redis: string
}

let dataDir: string
let printed: string[]

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wl-up-'))
  printed = []
})

afterEach(() => rm(dataDir, { recursive: true, force: true }))

function makeOptions(fault = '', more: Partial<UpOptions> = {}): UpOptions {
  return {
    entry: 'test/support/fake-process.ts',
    cache: join(dataDir, 'cache'),
    // An address that is not tried before the server itself does.
    env: { ...env, DOCKER_HOST: 'ssh://nowhere', FAKE_JOURNAL: join(dataDir, 'journal'), FAKE_FAULT: fault },
    dataDir,
    http: undefined,
    https: undefined,
    socket: join(dataDir, 'unix.socket'),
    workers: 2,
    redisUrl: undefined,
    yes: false,
    ...more,
  }
}

interface Running {
  readonly ready: Promise<void>
  readonly ended: Promise<void>
  stop(): Promise<void>
}

function start(options: UpOptions): Running {
  const controller = new AbortController()
  const isReady = Promise.withResolvers<void>()
  const terminal = { isInteractive: false, say: keep, ask: () => Promise.resolve(false), run: () => Promise.resolve() }
  const print = (text: string): void => {
    keep(text)
    if (text.includes('Windlass is ready')) isReady.resolve()
  }
  const sink = (source: string, line: string): void => keep(`${source}: ${line}`)
  const ended = up(options, { terminal, isTerminal: false, print, sink }, controller.signal)
  // Both are awaited by the test; until then a failure is not unhandled.
  ended.catch((error: unknown) => isReady.reject(error))
  isReady.promise.catch(() => {})
  const stop = (): Promise<void> => {
    controller.abort()
    return ended
  }
  return { ready: isReady.promise, ended, stop }
}

function keep(text: string): void {
  printed.push(text)
}

async function readJournal(): Promise<Note[]> {
  const text = await readFile(join(dataDir, 'journal'), 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Note => JSON.parse(line))
}

async function readRedisPid(): Promise<number> {
  return Number(await readFile(redisPidFile(dataDir), 'utf8'))
}

test('it starts Redis, API and workers, says where they are, and stops them in order', async () => {
  const running = start(makeOptions())
  await running.ready
  const notes = await readJournal()
  expect(notes.map(({ role }) => role).toSorted()).toEqual(['serve', 'worker', 'worker'])
  expect(notes.map(({ redis }) => redis)).toContain(`unix://${dataDir}/redis.sock`)
  expect(printed.join('\n')).toContain('http://127.0.0.1:8080/docs')
  const redis = await readRedisPid()
  await running.stop()
  const stopped = (await readJournal()).filter(({ event }) => event === 'stopped')
  expect(stopped.map(({ role }) => role)).toEqual(['serve', 'worker', 'worker'])
  expect(await startOf(redis)).toBeUndefined()
})

test('a second start on the same data directory says so', async () => {
  const running = start(makeOptions())
  await running.ready
  await expect(start(makeOptions()).ended).rejects.toThrow(/already running on .* \(process \d+\)/)
  await running.stop()
  // The first one's lock is gone with it.
  const again = start(makeOptions())
  await again.ready
  await again.stop()
})

test('a killed worker is started again', async () => {
  const running = start(makeOptions())
  await running.ready
  const victim = (await readJournal()).find(({ role }) => role === 'worker')
  sendSignal(victim?.pid ?? 0, 'SIGKILL')
  const startsOfWorkers = async (): Promise<true | undefined> =>
    (await readJournal()).filter(({ role, event }) => role === 'worker' && event === 'started').length === 3 ||
    undefined
  await until(5_000, startsOfWorkers, () => new Error('no new worker'))
  expect(printed.join('\n')).toMatch(/worker \d ended \(SIGKILL\), starting it again in 250 ms/)
  await running.stop()
})

test('a process that fails before it is ready ends the start, and nothing stays', async () => {
  const running = start(makeOptions('serve:early'))
  await expect(running.ended).rejects.toThrow(/^api ended before it was ready \(exit 3\)/)
  expect(printed.join('\n')).toContain('the settings are wrong')
  const workers = (await readJournal()).map(({ pid }) => startOf(pid))
  expect((await Promise.all(workers)).filter((life) => life !== undefined)).toEqual([])
})

test('a process that ignores SIGTERM is killed in time', async () => {
  const running = start(makeOptions('worker:deaf', { workers: 1 }))
  await running.ready
  const worker = (await readJournal()).find(({ role }) => role === 'worker')
  const began = performance.now()
  await running.stop()
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(await startOf(worker?.pid ?? 0)).toBeUndefined()
})

test('a busy port is one sentence that names the setting', async () => {
  const other = createServer()
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => {
      const address = other.address()
      resolve(typeof address === 'object' ? (address?.port ?? 0) : 0)
    })
  })
  for (const [option, setting] of [
    ['http', 'WINDLASS_HTTP'],
    ['https', 'WINDLASS_HTTPS'],
  ] as const) {
    const running = start(makeOptions('', { [option]: { host: '127.0.0.1', port } }))
    await expect(running.ended).rejects.toThrow(new RegExp(`^127.0.0.1:${port} is in use.* set ${setting}=`))
    await expect(running.ended).rejects.toBeInstanceOf(SetupError)
  }
  await new Promise((resolve) => other.close(resolve))
})

test('a stop in the middle of a start leaves nothing', async () => {
  const running = start(makeOptions())
  await running.stop().catch(() => {})
  const left = await Promise.all((await readJournal()).map(({ pid }) => isGoneWithin(pid, 2_000)))
  expect(left).not.toContain(false)
})
