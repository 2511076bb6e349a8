import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { askEngine } from './ask-engine.ts'
import { startEngine } from './engine.ts'
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

test('an engine of its own ends with its containers', async () => {
  let pid: number | undefined
  {
    await using engine = await startEngine()
    pid = engine.pid
    await importTinyImage(engine.socket)
    const body = { Image: TINY_IMAGE, Cmd: ['sleep', '1000'] }
    const { Id } = await create(engine.socket, body)
    expect((await askEngine(engine.socket, 'POST', `/containers/${Id}/start`)).status).toBe(204)
    expect((await engine.netnsExec('ip', '-o', 'link', 'show', 'docker0')).stdout).toContain('docker0')
  }
  expect(await startOf(pid ?? 0)).toBeUndefined()
})

test('a Redis keeps its data over a kill', async () => {
  await using redis = await startRedis({ appendfsync: 'always' })
  expect(await redis.command('SET', 'a', '1')).toBe('+OK')
  await redis.kill()
  await redis.restart()
  expect(await redis.command('STRLEN', 'a')).toBe(':1')
})

test('what a run that was killed has left goes when the next one starts, its disk too', async () => {
  const script = `
    import { startRedis } from './test/support/redis.ts'
    const redis = await startRedis({ diskMiB: 16, appendfsync: 'no' })
    process.stdout.write(JSON.stringify({ pid: redis.pid, directory: redis.directory }))`
  const killed = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [chunk]: [Buffer] = (await once(killed.stdout, 'data')) as [Buffer] // a stream without encoding
  const left: { pid: number; directory: string } = JSON.parse(chunk.toString())
  const isMounted = async () => (await readFile('/proc/self/mounts', 'utf8')).includes(left.directory)
  expect(await isMounted()).toBe(true)
  killed.kill('SIGKILL')
  await once(killed, 'exit')
  await using next = await startRedis({ appendfsync: 'no' })
  expect(await next.command('PING')).toBe('+PONG')
  expect(await isMounted()).toBe(false)
  expect(existsSync(dirname(left.directory))).toBe(false)
  expect(await startOf(left.pid)).toBeUndefined()
})
