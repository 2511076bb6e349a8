import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { CGROUPS } from '../../src/engine/docker/system-boot.ts'
import { askEngine } from './ask-engine.ts'
import { startEngine, sweepEngines } from './engine.ts'
import { clearDeployment } from './leavings.ts'
import { startOf } from '../../src/setup/processes.ts'
import { startRedis } from './redis.ts'
import { sharedEngine } from './shared-engine.ts'
import { importTinyImage, TINY_IMAGE } from './tiny-image.ts'

async function create(socket: string, body: Record<string, unknown>): Promise<{ Id: string }> {
  return JSON.parse((await askEngine(socket, 'POST', '/containers/create', body)).text)
}

test('the shared engine runs the tiny image', async () => {
  const engine = await sharedEngine()
  const body = { Image: engine.image, Cmd: ['sh', '-c', 'exit 7'] }
  const { Id } = await create(engine.socket, body)
  await askEngine(engine.socket, 'POST', `/containers/${Id}/start`)
  const waited = await askEngine(engine.socket, 'POST', `/containers/${Id}/wait`)
  expect(JSON.parse(waited.text)).toMatchObject({ StatusCode: 7 })
  await askEngine(engine.socket, 'DELETE', `/containers/${Id}`)
})

/** The folders of control groups that are called after one of these; those of others come and go meanwhile. */
async function groupsOf(names: string[], folder = CGROUPS): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const inside = entries.filter((entry) => entry.isDirectory()).map(({ name }) => groupsOf(names, join(folder, name)))
  return [
    ...(names.some((name) => basename(folder).includes(name)) ? [folder] : []),
    ...(await Promise.all(inside)).flat(),
  ]
}

/** A container that runs, with a group inside of its own, as a systemd has them, and below a folder of its own. */
async function startGrouped(socket: string): Promise<string[]> {
  const info: { CgroupDriver: string } = JSON.parse((await askEngine(socket, 'GET', '/info')).text)
  const uuid = randomUUID()
  const CgroupParent = info.CgroupDriver === 'cgroupfs' ? `/windlass/${uuid}` : ''
  const { Id } = await create(socket, { Image: TINY_IMAGE, Cmd: ['sleep', '1000'], HostConfig: { CgroupParent } })
  expect((await askEngine(socket, 'POST', `/containers/${Id}/start`)).status).toBe(204)
  for (const group of await groupsOf([Id])) await mkdir(join(group, 'init.scope'))
  return [uuid, Id]
}

test('an engine of its own ends with its containers and their control groups', async () => {
  let pid: number | undefined
  let names: string[]
  {
    await using engine = await startEngine()
    pid = engine.pid
    await importTinyImage(engine.socket)
    names = await startGrouped(engine.socket)
    expect(await groupsOf(names)).not.toEqual([])
    expect((await engine.netnsExec('ip', '-o', 'link', 'show', 'docker0')).stdout).toContain('docker0')
  }
  expect(await startOf(pid ?? 0)).toBeUndefined()
  expect(await groupsOf(names)).toEqual([])
})

test('of a deployment nothing stays in an engine that goes on', async () => {
  const { socket, image } = await sharedEngine()
  const deployment = randomUUID()
  const Labels = { 'windlass.deployment': deployment }
  const ask = async (path: string) => (await askEngine(socket, 'GET', path)).text
  const network: { Id: string } = JSON.parse(
    (await askEngine(socket, 'POST', '/networks/create', { Name: deployment, Labels })).text,
  )
  await askEngine(socket, 'POST', '/volumes/create', { Name: deployment, Labels })
  const HostConfig = { NetworkMode: network.Id, Binds: [`${deployment}:/volume`] }
  const { Id } = await create(socket, { Image: image, Cmd: ['sleep', '1000'], Labels, HostConfig })
  expect((await askEngine(socket, 'POST', `/containers/${Id}/start`)).status).toBe(204)
  await askEngine(socket, 'POST', `/commit?container=${Id}&repo=windlass-test&tag=${deployment}`)

  const directory = await mkdtemp(join(tmpdir(), 'windlass-left-'))
  await writeFile(join(directory, 'deployment'), `${deployment}\n`)
  await clearDeployment(socket, directory)
  for (const path of ['/containers/json?all=true', '/networks', '/volumes', '/images/json?all=true'])
    expect(await ask(path), path).not.toContain(deployment)
  await rm(directory, { recursive: true })
})

test('a Redis keeps its data over a kill', async () => {
  await using redis = await startRedis({ appendfsync: 'always' })
  expect(await redis.command('SET', 'a', '1')).toBe('+OK')
  await redis.kill()
  await redis.restart()
  expect(await redis.command('STRLEN', 'a')).toBe(':1')
})

interface Told {
  pid: number
  /** In what it has made. */
  place: string
}

/** Runs a script that tells what it has started, and kills it after `meanwhile`: until then nobody takes that for left. */
async function whileRunning<R>(script: string, meanwhile: (told: Told) => Promise<R>): Promise<R> {
  const running = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(running, 'exit')
  try {
    const [chunk]: [Buffer] = (await once(running.stdout, 'data')) as [Buffer] // a stream without encoding
    return await meanwhile(JSON.parse(chunk.toString()))
  } finally {
    running.kill('SIGKILL')
    await exited
  }
}

test('what a run that was killed has left goes when the next one starts, its disk too', async () => {
  const script = `
    import { startRedis } from './test/support/redis.ts'
    const redis = await startRedis({ diskMiB: 16, appendfsync: 'no' })
    process.stdout.write(JSON.stringify({ pid: redis.pid, place: redis.directory }))`
  const isMounted = async (directory: string) => (await readFile('/proc/self/mounts', 'utf8')).includes(directory)
  const left = await whileRunning(script, async (told) => {
    expect(await isMounted(told.place)).toBe(true)
    return told
  })
  await using next = await startRedis({ appendfsync: 'no' })
  expect(await next.command('PING')).toBe('+PONG')
  expect(await isMounted(left.place)).toBe(false)
  expect(existsSync(dirname(left.place))).toBe(false)
  expect(await startOf(left.pid)).toBeUndefined()
})

test('so does its engine, with its containers and their control groups', async () => {
  const script = `
    import { startEngine } from './test/support/engine.ts'
    import { importTinyImage } from './test/support/tiny-image.ts'
    const { pid, socket } = await startEngine()
    await importTinyImage(socket)
    process.stdout.write(JSON.stringify({ pid, place: socket }))
    // An engine keeps nobody alive.
    setInterval(() => undefined, 60_000)`
  const left = await whileRunning(script, async (told) => {
    const names = await startGrouped(told.place)
    expect(await groupsOf(names)).not.toEqual([])
    return { ...told, names }
  })
  await sweepEngines()
  expect(await startOf(left.pid)).toBeUndefined()
  expect(await groupsOf(left.names)).toEqual([])
  expect(existsSync(dirname(left.place))).toBe(false)
})
