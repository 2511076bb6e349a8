import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { down } from '../../src/setup/down.ts'
import { isGoneWithin, startOf } from '../../src/setup/processes.ts'
import { redisPidFile } from '../../src/setup/redis.ts'

let dataDir: string
let started: ChildProcess[]

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wl-down-'))
  started = []
})

afterEach(async () => {
  await down(dataDir, () => {})
  for (const child of started) child.kill('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

/** Starts `up` in a process of its own and waits until it is ready; its standard output so far. */
function start(): Promise<{ child: ChildProcess; lines: string[] }> {
  const child = spawn(process.execPath, ['test/support/run-up.ts', dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return new Promise((resolve, reject) => {
    let text = ''
    child.once('exit', (code) => reject(new Error(`up ended with ${code}: ${text}`)))
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('curl')) resolve({ child, lines: text.split('\n') })
    })
  })
}

async function readPids(): Promise<number[]> {
  const journal = (await readFile(join(dataDir, 'journal'), 'utf8')).trimEnd().split('\n')
  return journal.map((line): { pid: number } => JSON.parse(line)).map(({ pid }) => pid)
}

async function readRedisPid(): Promise<number> {
  return Number(await readFile(redisPidFile(dataDir), 'utf8'))
}

test('without a terminal it logs JSON and shows no token', async () => {
  const { lines } = await start()
  const logged = lines.filter((line) => line.startsWith('{'))
  expect(logged.map((line): { name: string } => JSON.parse(line)).map(({ name }) => name)).toContain('up')
  expect(lines.join('\n')).toContain('Windlass is ready')
})

test('down stops a running server and everything it has started', async () => {
  const { child } = await start()
  const pids = [child.pid ?? 0, await readRedisPid(), ...(await readPids())]
  const said: string[] = []
  await down(dataDir, (text) => said.push(text))
  expect(said).toEqual(['Windlass has stopped; the instances keep running.'])
  expect(await Promise.all(pids.map(startOf))).toEqual(pids.map(() => undefined))
})

test('down says so where nothing runs', async () => {
  const said: string[] = []
  await down(dataDir, (text) => said.push(text))
  expect(said).toEqual([`No Windlass runs on ${dataDir}.`])
})

test('after a kill of the supervisor its processes end, and the next start takes over its data', async () => {
  const first = await start()
  const redis = await readRedisPid()
  const children = await readPids()
  first.child.kill('SIGKILL')
  expect(await Promise.all(children.map((pid) => isGoneWithin(pid, 5_000)))).not.toContain(false)
  await start()
  expect(await startOf(redis)).toBeUndefined()
  expect(await startOf(await readRedisPid())).toBeDefined()
})

test('down stops the Redis that a killed supervisor has left', async () => {
  const { child } = await start()
  const redis = await readRedisPid()
  child.kill('SIGKILL')
  await isGoneWithin(child.pid ?? 0, 5_000)
  await down(dataDir, () => {})
  expect(await startOf(redis)).toBeUndefined()
})
