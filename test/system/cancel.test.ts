import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { engineObjects } from '../support/engine-objects.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

// A cancel that comes when the engine has done its part already.

let windlass: TestWindlass

const POINTS = [
  'instance.stop.stop.after@plain',
  'instance.stop.remove.before@kept',
  'instance.stop.remove.after@removed',
]

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_TEST_POINT: POINTS.join(',') } })
  await publishStarterImage(windlass.socket, await staticBusybox())
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function make(name: string, ephemeral: boolean): Promise<void> {
  const body = { name, source: { type: 'image', alias: 'busybox' }, start: true, ephemeral }
  expect(await windlass.operate('POST', '/1.0/instances', body)).toMatchObject({ status: 'Success' })
}

/** Stops it, cancels that at its point; what the cancel was answered, and how it ended. */
async function cancelled(name: string, point: string): Promise<{ answered: number; ended: Operation }> {
  const accepted = await windlass.call('PUT', `/1.0/instances/${name}/state`, { action: 'stop', force: true })
  const [worker] = windlass.workers
  await worker?.holds([point])
  const { status: answered } = await windlass.call('DELETE', String(fieldOf(accepted.body, 'operation')))
  worker?.letGo(point)
  return { answered, ended: await windlass.ended(accepted) }
}

test('a stop that is cancelled when the instance has stopped starts it again, or has removed it', async () => {
  await make('plain', false)
  for (const name of ['kept', 'removed']) await make(name, true)
  const [plain = '', kept = '', removed = ''] = POINTS
  for (const [name, point] of [
    ['plain', plain],
    ['kept', kept],
  ] as const) {
    const { answered, ended } = await cancelled(name, point)
    expect([answered, ended.status, ended.windlass.undone]).toEqual([200, 'Cancelled', ['Started the instance again']])
    const { body } = await windlass.call('GET', `/1.0/instances/${name}`)
    expect(body, 'read right after the end').toMatchObject({ metadata: { status: 'Running' } })
  }
  const { answered, ended } = await cancelled('removed', removed)
  expect([answered, ended.status, ended.err]).toEqual([400, 'Success', ''])
  expect((await windlass.call('GET', '/1.0/instances/removed')).status).toBe(404)
  const { containers, running } = await engineObjects(windlass.engine.socket)
  expect([containers, running]).toEqual([
    ['kept.lxd', 'plain.lxd'],
    ['kept.lxd', 'plain.lxd'],
  ])
})
