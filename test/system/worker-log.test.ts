import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { makeKeys } from '../../src/redis/keys.ts'
import { until } from '../support/processes.ts'
import { startWindlass, type TestProcess, type TestWindlass } from '../support/windlass.ts'

let windlass: TestWindlass

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { LOG_LEVEL: 'info' } })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

/** The worker's lines that have these fields. */
function linesOf(worker: TestProcess | undefined, fields: Record<string, unknown>): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = (worker?.output() ?? '')
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line))
  return lines.filter((line) => Object.entries(fields).every(([name, value]) => line[name] === value))
}

test('a worker tells of each transition of an operation, and of a failure as a warning', async () => {
  const [worker] = windlass.workers
  // Nothing listens there.
  const source = { type: 'image', mode: 'pull', protocol: 'oci', server: 'https://127.0.0.1:1', alias: 'nothing' }
  const accepted = await windlass.call('POST', '/1.0/images', { source })
  const operation = fieldOf(fieldOf(accepted.body, 'metadata'), 'id')
  expect(await windlass.ended(accepted)).toMatchObject({ status: 'Failure' })
  const lines = await until(
    5_000,
    async () => {
      const found = linesOf(worker, { operation, msg: 'Operation' })
      return found.length >= 2 ? found : undefined
    },
    () => new Error(`Not told by:\n${worker?.output()}`),
  )
  expect(lines).toMatchObject([
    { level: 30, kind: 'image.pull', state: 'running', ms: expect.any(Number) },
    { level: 40, kind: 'image.pull', state: 'failure', ms: expect.any(Number), reason: expect.any(String) },
  ])
})

test('a worker that is given no jobs although Redis answers ends and says why', { timeout: 90_000 }, async () => {
  const worker = await windlass.startWorker({ WINDLASS_WORKER_NAME: 'deaf' })
  const deployment = (await readFile(join(windlass.dataDir, 'deployment'), 'utf8')).trim()
  // The jobs by which it notices are accepted, and never given out.
  await windlass.redis.command('HSET', `${makeKeys(deployment).bull}:canary-deaf:meta`, 'paused', '1')
  expect(await worker.exited).toBe(1)
  expect(linesOf(worker, { level: 60 })).toMatchObject([{ msg: expect.stringContaining('no jobs') }])
})
