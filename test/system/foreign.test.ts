import { afterAll, beforeAll, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { askEngine } from '../support/ask-engine.ts'
import { importTinyImage, TINY_IMAGE } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

// Containers that somebody made with Docker are shown in the project `docker`: to read, start, stop, exec and their logs.

let windlass: TestWindlass
const IN = '?project=docker'

beforeAll(async () => {
  windlass = await startWindlass()
  await importTinyImage(windlass.engine.socket)
  await make('made_by.others', {})
  await make('our-own-service', { Labels: { 'windlass.service': 'redis' } })
  await make('mighty', { HostConfig: { Binds: ['/:/host'] } })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function make(name: string, more: object): Promise<void> {
  const body = { Image: TINY_IMAGE, Cmd: ['sleep', '1000'], ...more }
  const made = await askEngine(windlass.engine.socket, 'POST', `/containers/create?name=${name}`, body)
  expect(made.status, made.text).toBe(201)
}

const metadata = async (path: string) => fieldOf((await windlass.call('GET', path)).body, 'metadata')

test('they are listed there and nowhere else, our own services not at all', async () => {
  expect(await metadata('/1.0/instances')).toEqual([])
  await expect.poll(() => metadata(`/1.0/instances${IN}`)).toHaveLength(2)
  expect(await metadata(`/1.0/instances/made_by.others${IN}`)).toMatchObject({
    name: 'made_by.others',
    status: 'Stopped',
    project: 'docker',
    architecture: 'x86_64',
  })
  expect(await metadata('/1.0/projects/docker')).toMatchObject({ name: 'docker' })
})

test('they are started, run commands in and stopped by operations like any other', async () => {
  const path = `/1.0/instances/made_by.others`
  expect(await windlass.operate('PUT', `${path}/state${IN}`, { action: 'start' })).toMatchObject({ status: 'Success' })
  expect(await metadata(path + IN)).toMatchObject({ status: 'Running' })
  const ran = await windlass.operate('POST', `${path}/exec${IN}`, { command: ['sh', '-c', 'exit 7'] })
  expect(ran).toMatchObject({ status: 'Success', metadata: { return: 7 } })
  expect(await windlass.operate('PUT', `${path}/state${IN}`, { action: 'stop', force: true })).toMatchObject({
    status: 'Success',
  })
  expect(await metadata(path + IN)).toMatchObject({ status: 'Stopped' })
})

test('everything else is refused with the reason', async () => {
  const path = `/1.0/instances/made_by.others`
  for (const [method, url, body] of [
    ['DELETE', path + IN, undefined],
    ['PUT', path + IN, { config: {}, devices: {} }],
    ['POST', path + IN, { name: 'mine' }],
    ['POST', `${path}/snapshots${IN}`, { name: 's0' }],
    ['PUT', `${path}/state${IN}`, { action: 'freeze' }],
  ] as const) {
    const refused = await windlass.call(method, url, body)
    expect(refused.body, `${method} ${url}`).toMatchObject({
      error_code: 403,
      error: expect.stringContaining('made by others'),
    })
  }
})
