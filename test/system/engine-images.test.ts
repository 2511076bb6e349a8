import { afterAll, beforeAll, expect, test } from 'vitest'
import { askEngine } from '../support/ask-engine.ts'
import { engineObjects } from '../support/engine-objects.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

let windlass: TestWindlass
let source: object

beforeAll(async () => {
  windlass = await startWindlass()
  const { metadata } = await windlass.operate('POST', '/1.0/images', await tinyImageTar())
  source = { type: 'image', fingerprint: metadata?.['fingerprint'] }
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function operate(method: string, path: string, body?: object): Promise<void> {
  const { status, err } = await windlass.operate(method, path, body)
  expect([method, path, status, err]).toEqual([method, path, 'Success', ''])
}

const create = (name: string, from: object, more: object = {}) =>
  operate('POST', '/1.0/instances', { name, source: from, ...more })
const copy = (name: string, of: string) => create(name, { type: 'copy', source: of, instance_only: true })
const remove = (name: string) => operate('DELETE', `/1.0/instances/${name}`)
const put = (name: string, body: object) => operate('PUT', `/1.0/instances/${name}`, { profiles: ['default'], ...body })

/** Everything, also what has no name any more. */
async function images(): Promise<string[]> {
  const { text } = await askEngine(windlass.engine.socket, 'GET', '/images/json?all=true')
  const listed: { Id: string }[] = JSON.parse(text)
  return listed.map(({ Id }) => Id).toSorted()
}

const tags = async () => (await engineObjects(windlass.engine.socket)).tags

test('a copy and a new container leave no image behind when their instance is deleted', async () => {
  const before = await images()
  await create('a', source)
  await copy('b', 'a')
  await copy('c', 'b')
  await remove('b')
  expect(await tags()).toEqual({ image: 1, instance: 1 })
  await put('c', { config: { 'environment.A': '1' } })
  await put('c', { config: { 'environment.A': '2' } })
  expect(await tags()).toEqual({ image: 1, instance: 1 })
  await remove('c')
  await remove('a')
  expect(await tags()).toEqual({ image: 1 })
  expect(await images()).toEqual(before)
})

test('images of snapshots live as long as a snapshot or a container needs them', async () => {
  const before = await images()
  await create('d', source)
  await put('d', { config: { 'environment.A': '1' } })
  await operate('POST', '/1.0/instances/d/snapshots', { name: 's0' })
  await put('d', { restore: 's0' })
  // Its own image went with the container that was made of it.
  expect(await tags()).toEqual({ image: 1, snapshot: 1 })
  await copy('e', 'd/s0')
  await copy('f', 'd/s0')
  await operate('DELETE', '/1.0/instances/d/snapshots/s0')
  expect(await tags()).toEqual({ image: 1, instance: 3 })
  await put('e', { config: { 'environment.A': '2' } })
  expect(await tags()).toEqual({ image: 1, instance: 3 })
  await remove('d')
  await remove('f')
  expect(await tags()).toEqual({ image: 1, instance: 1 })
  await remove('e')
  expect(await tags()).toEqual({ image: 1 })
  expect(await images()).toEqual(before)
})

test('an instance deleted with a snapshot that another one was copied from leaves it its image', async () => {
  const before = await images()
  await create('g', source)
  await operate('POST', '/1.0/instances/g/snapshots', { name: 's0' })
  await put('g', { restore: 's0' })
  await copy('h', 'g/s0')
  await remove('g')
  expect(await tags()).toEqual({ image: 1, instance: 1 })
  await operate('PUT', '/1.0/instances/h/state', { action: 'start' })
  await put('h', { config: { 'environment.A': '1' } })
  await operate('PUT', '/1.0/instances/h/state', { action: 'stop', force: true })
  await remove('h')
  expect(await images()).toEqual(before)
})

test('an image that is deleted goes with the last instance that was made from it', async () => {
  await create('i', source)
  await create('j', source)
  const { fingerprint } = source as { fingerprint: string } // as it was made above
  await operate('DELETE', `/1.0/images/${fingerprint}`)
  expect(await tags()).toEqual({ instance: 2 })
  await remove('i')
  await remove('j')
  expect(await tags()).toEqual({})
})
