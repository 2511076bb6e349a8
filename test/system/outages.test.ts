import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askApi, type Asked } from '../support/ask-api.ts'
import { askEngine } from '../support/ask-engine.ts'
import { engineObjects } from '../support/engine-objects.ts'
import { until } from '../support/processes.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

// Redis, the engine and workers go away and come back; what was accepted is ended, and all is well by itself.

const TOKEN = 'a-token-for-the-tests-of-outages'
const source = { type: 'image', alias: 'busybox' }

let windlass: TestWindlass
let other: Awaited<ReturnType<TestWindlass['startApi']>>

beforeAll(async () => {
  windlass = await startWindlass({ workers: 2, env: { WINDLASS_TOKEN: TOKEN } })
  other = await windlass.startApi({ WINDLASS_HTTP: '127.0.0.1:0' })
  await publishStarterImage(windlass.socket, '/bin/busybox')
  await operate('POST', '/1.0/instances', { name: 'base', source, start: true })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

/** What is away comes back, whatever a test has found. */
afterEach(async () => {
  windlass.redis.thaw()
  if ((await windlass.redis.command('PING').catch(() => '')) === '') await windlass.redis.restart()
  if (!(await askEngine(windlass.engine.socket, 'GET', '/_ping').catch(() => undefined)))
    await windlass.engine.restart()
})

const ask = (path: string, more: Partial<Asked> = {}) => askApi({ at: windlass.socket, path, ...more })

async function operate(method: string, path: string, body?: unknown): Promise<Operation> {
  const ended = await windlass.operate(method, path, body)
  expect(ended).toMatchObject({ status: 'Success', err: '' })
  return ended
}

const exec = (script: string) =>
  windlass.call('POST', '/1.0/instances/base/exec', { command: ['sh', '-c', script], 'record-output': true })

/** Everything answers again as on the first day. */
async function isWell(): Promise<void> {
  await until(15_000, looksWell, () => new Error('It does not become ready again'))
}

async function looksWell(): Promise<true | undefined> {
  const [ready, listed] = await Promise.all([ask('/readyz'), ask('/1.0/instances')])
  return ready.status === 200 && listed.status === 200 && listed.headers['warning'] === undefined ? true : undefined
}

test('while Redis is dead changes are refused at once and reads come from memory; then all goes on', async () => {
  const running = await exec('sleep 4; echo done')
  const waiting = await windlass.call('POST', '/1.0/instances', { name: 'a1', source })
  await windlass.redis.kill()
  for (const path of ['/1.0/instances', '/1.0/profiles']) {
    const refused = await ask(path, { method: 'POST', body: { name: 'a2', source } })
    expect([refused.status, fieldOf(refused.body, 'type')]).toEqual([503, 'error'])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.ms).toBeLessThan(1_000)
  }
  const listed = await ask('/1.0/instances?recursion=1')
  expect(JSON.stringify(listed.body)).toContain('"name":"base"')
  expect([listed.status, listed.headers['warning']]).toEqual([200, expect.stringContaining('110 ')])
  const one = await ask('/1.0/instances/base')
  expect([one.status, fieldOf(fieldOf(one.body, 'metadata'), 'status')]).toEqual([200, 'Running'])
  // It may have been made since.
  const unknown = await ask('/1.0/instances/nobody')
  expect([unknown.status, Number(unknown.headers['retry-after'])]).toEqual([503, 1])
  const at = other.url ?? ''
  expect((await askApi({ at, path: '/1.0/instances', token: TOKEN })).status).toBe(200)
  expect((await askApi({ at, path: '/1.0/instances', token: `${TOKEN}-wrong` })).status).toBe(403)
  const unready = await ask('/readyz')
  expect([unready.status, fieldOf(unready.body, 'missing')]).toEqual([503, ['redis']])
  await windlass.redis.restart()
  await isWell()
  expect(await windlass.ended(running)).toMatchObject({ status: 'Success', metadata: { return: 0 } })
  expect(await windlass.ended(waiting)).toMatchObject({ status: 'Success', err: '' })
  await operate('DELETE', '/1.0/instances/a1')
}, 90_000)

test('while Redis hangs nothing hangs with it', async () => {
  const running = await exec('sleep 2; echo done')
  windlass.redis.freeze()
  const thawed = delay(5_000).then(() => windlass.redis.thaw())
  const refused = await ask('/1.0/instances', { method: 'POST', body: { name: 'b1', source } })
  expect(refused.status).toBe(503)
  expect(refused.ms).toBeLessThan(1_000)
  const listed = await Promise.all([ask('/1.0/instances'), ask('/1.0/instances/base'), ask('/1.0/profiles')])
  for (const { status, headers, ms } of listed) {
    expect([status, headers['warning']]).toEqual([200, expect.stringContaining('110 ')])
    expect(ms).toBeLessThan(1_000)
  }
  await thawed
  await isWell()
  expect(await windlass.ended(running)).toMatchObject({ status: 'Success', metadata: { return: 0 } })
  // The answer was a refusal; whether it was accepted all the same is what its Idempotency-Key would tell.
  const { status } = await windlass.call('GET', '/1.0/instances/b1')
  if (status === 200) await operate('DELETE', '/1.0/instances/b1')
}, 60_000)

test('a process that is asked to stop while Redis is dead stops', async () => {
  const processes = await Promise.all([windlass.startApi(), windlass.startWorker()])
  await windlass.redis.kill()
  for (const process of processes) process.kill('SIGTERM')
  expect(await Promise.all(processes.map(({ exited }) => exited))).toEqual([1, 1])
  for (const process of processes) expect(process.output()).toContain('Not everything could be closed in time')
  await windlass.redis.restart()
  await isWell()
}, 90_000)

test('a process that is asked to stop cuts nobody off who has reached it', async () => {
  const seen = new Set<string>()
  for (let round = 0; round < 2; round++) {
    const api = await windlass.startApi()
    let asked = 0
    const clients = Array.from({ length: 40 }, async () => {
      for (;;) {
        try {
          const { status } = await callApi(api.socket, { method: 'GET', path: '/1.0' })
          seen.add(String(status))
          if (++asked === 400) api.kill('SIGTERM')
        } catch (error) {
          seen.add((error as NodeJS.ErrnoException).code ?? String(error)) // what Node's sockets throw
          return
        }
      }
    })
    await Promise.all([...clients, api.exited])
  }
  const fine = ['200', '503', 'ENOENT', 'ECONNREFUSED']
  expect([...seen].filter((one) => !fine.includes(one))).toEqual([])
}, 60_000)

test('while the engine is dead reads answer and work is accepted; it ends when the engine is back', async () => {
  await operate('POST', '/1.0/instances', { name: 'c1', source })
  const { metadata } = await windlass.ended(await exec('echo kept'))
  const output = String(fieldOf(metadata?.['output'], '1'))
  await windlass.engine.kill()
  const offline = async () => {
    const { body } = await ask('/readyz')
    return JSON.stringify(fieldOf(body, 'missing')) === '["engine"]' ? true : undefined
  }
  await until(10_000, offline, () => new Error('The member is not shown offline'))
  const listed = await ask('/1.0/instances?recursion=2')
  expect(listed.status).toBe(200)
  expect(JSON.stringify(listed.body)).toContain('"name":"c1"')
  expect((await ask('/1.0/instances/c1')).status).toBe(200)
  expect((await ask('/1.0')).status).toBe(200)
  const accepted = await Promise.all([
    windlass.call('PUT', '/1.0/instances/c1/state', { action: 'start' }),
    windlass.call('POST', '/1.0/instances', { name: 'c2', source, start: true }),
    windlass.call('POST', '/1.0/instances', { name: 'c3', source: { type: 'copy', source: 'base' } }),
  ])
  expect(accepted.map(({ status }) => status)).toEqual([202, 202, 202])
  // Only the engine has this one's answer.
  const log = await ask(output)
  expect([log.status, log.headers['retry-after']]).toEqual([503, expect.stringMatching(/^[1-9]/)])
  await windlass.engine.restart()
  for (const one of accepted) expect(await windlass.ended(one)).toMatchObject({ status: 'Success', err: '' })
  await isWell()
  expect((await ask(output)).body).toBe('kept\n')
  for (const name of ['c1', 'c2']) await operate('PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true })
  for (const name of ['c1', 'c2', 'c3']) await operate('DELETE', `/1.0/instances/${name}`)
}, 90_000)

test('what one API process accepted another one waits for, and reads what was written through it', async () => {
  const accepted = await windlass.call('POST', '/1.0/instances', { name: 'd1', source })
  const waited = await askApi({ at: other.socket, path: `${String(fieldOf(accepted.body, 'operation'))}/wait` })
  expect(fieldOf(fieldOf(waited.body, 'metadata'), 'status')).toBe('Success')
  for (let round = 0; round < 50; round++) {
    const [here, there] = round % 2 === 0 ? [windlass.socket, other.socket] : [other.socket, windlass.socket]
    const config = { 'user.round': String(round) }
    const written = await askApi({ at: here, method: 'PATCH', path: '/1.0/instances/d1', body: { config } })
    expect(written.status).toBe(200)
    const read = await askApi({ at: there, path: '/1.0/instances/d1' })
    expect(fieldOf(fieldOf(read.body, 'metadata'), 'config')).toMatchObject(config)
  }
  await operate('DELETE', '/1.0/instances/d1')
  expect((await askApi({ at: other.socket, path: '/1.0/instances/d1' })).status).toBe(404)
}, 60_000)

test('a worker that stood still while another one took over writes nothing more', async () => {
  for (const worker of windlass.workers.splice(0)) {
    worker.kill('SIGTERM')
    await worker.exited
  }
  const point = 'instance.create.container.after@e1'
  const stopped = await windlass.startWorker({ WINDLASS_TEST_POINT: point, WINDLASS_WORKER_NAME: 'stopped' })
  const accepted = await windlass.call('POST', '/1.0/instances', { name: 'e1', source, start: true })
  await stopped.holds([point])
  stopped.kill('SIGSTOP')
  windlass.workers.push(await windlass.startWorker({ WINDLASS_WORKER_NAME: 'next' }))
  const ended = await windlass.ended(accepted)
  expect(ended).toMatchObject({ status: 'Success', windlass: { worker: 'next', attempts: 2 } })
  stopped.letGo(point)
  stopped.kill('SIGCONT')
  // It goes on with other work: the only one to do so now.
  windlass.workers.splice(0).forEach((worker) => worker.kill('SIGTERM'))
  await operate('PUT', '/1.0/instances/e1/state', { action: 'stop', force: true })
  const { body } = await windlass.call('GET', String(fieldOf(accepted.body, 'operation')))
  expect(fieldOf(body, 'metadata')).toEqual(ended)
  expect((await engineObjects(windlass.engine.socket)).containers).toEqual(['base.lxd', 'e1.lxd'])
  await operate('DELETE', '/1.0/instances/e1')
  windlass.workers.push(stopped, await windlass.startWorker())
}, 60_000)

test('a cancelled operation is undone or has succeeded, never both', async () => {
  const round = async (at: number): Promise<[string, Operation]> => {
    const name = `f${at}`
    const accepted = await windlass.call('POST', '/1.0/instances', { name, source, start: true })
    await delay(Math.random() ** 2 * 8_000)
    const asked = await windlass.call('DELETE', String(fieldOf(accepted.body, 'operation')))
    expect([200, 400]).toContain(asked.status)
    return [name, await windlass.ended(accepted)]
  }
  const ended = await Promise.all(Array.from({ length: 30 }, (_, at) => round(at)))
  const made = ended.filter(([, { status }]) => status === 'Success').map(([name]) => name)
  for (const [, { status, err, windlass: told }] of ended) {
    expect(['Success', 'Cancelled']).toContain(status)
    expect(status === 'Success' ? [err, told.undone] : [err !== '']).toEqual(status === 'Success' ? ['', []] : [true])
  }
  const { containers, running } = await engineObjects(windlass.engine.socket)
  const wanted = ['base', ...made].map((name) => `${name}.lxd`).toSorted()
  expect([containers, running]).toEqual([wanted, wanted])
  const listed = await ask('/1.0/instances')
  expect(fieldOf(listed.body, 'metadata')).toHaveLength(1 + made.length)
}, 90_000)

test('a Redis that has lost everything is told, and the engine is left alone', async () => {
  const before = await engineObjects(windlass.engine.socket)
  expect(before.containers).toContain('base.lxd')
  await windlass.redis.command('FLUSHALL')
  const api = await windlass.startApi()
  const warnings = await askApi({ at: api.socket, path: '/1.0/warnings?recursion=1' })
  expect(JSON.stringify(warnings.body)).toContain('they are gone')
  expect(api.output()).toContain('load a dump')
  expect((await engineObjects(windlass.engine.socket)).containers).toEqual(before.containers)
}, 30_000)
