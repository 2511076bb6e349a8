import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Config } from '../../src/contract/common.ts'
import { createDockerEngine } from '../../src/engine/docker/connect.ts'
import { fieldOf } from '../../src/setup/api-client.ts'
import { starterImageChanges } from '../../src/setup/starter-image.ts'
import { askEngine } from '../support/ask-engine.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

let windlass: TestWindlass
let fingerprint: string

beforeAll(async () => {
  windlass = await startWindlass()
  const uploaded = await operate('POST', '/1.0/images', await imageWithVolume())
  fingerprint = String(uploaded.metadata?.['fingerprint'])
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

test('a volume of the image is filled once, and stays as it was left', async () => {
  await create('v1', { source: { type: 'image', fingerprint } })
  expect(await sh('v1', 'ls /var')).toBe('log\n')
  expect(mountsOf(await inspect('v1'))).toEqual(['/var'])
  await sh('v1', 'rmdir /var/log')
  await operate('POST', '/1.0/instances/v1/snapshots', { name: 's0' })
  await sh('v1', 'touch /var/new')
  await operate('PUT', '/1.0/instances/v1', { restore: 's0' })
  expect(await sh('v1', 'ls /var')).toBe('')
  await put('v1', { 'environment.A': '1' })
  expect(await sh('v1', 'ls /var; echo $A')).toBe('1\n')
  await create('v2', { source: { type: 'copy', source: 'v1/s0' } })
  expect(await sh('v2', 'ls /var')).toBe('')
})

test('an instance that nests has a volume for the engine inside, whenever it begins to', async () => {
  const inside = '/var/lib/docker'
  const nesting = { 'security.nesting': 'true' }
  await create('n1', { source: { type: 'image', fingerprint }, config: nesting })
  expect(mountsOf(await inspect('n1'))).toEqual(['/var', inside])
  await sh('n1', `echo layer > ${inside}/one`)
  await operate('POST', '/1.0/instances/n1/snapshots', { name: 's0' })
  await sh('n1', `rm ${inside}/one`)
  await operate('PUT', '/1.0/instances/n1', { restore: 's0' })
  expect(await sh('n1', `cat ${inside}/one`)).toBe('layer\n')
  expect(mountsOf(await inspect('n1'))).toEqual(['/var', inside])

  await create('n2', { source: { type: 'none' } })
  expect(mountsOf(await inspect('n2'))).toEqual([])
  await put('n2', nesting)
  expect(mountsOf(await inspect('n2'))).toEqual([inside])
  const before = await volumesOf('n2')
  await put('n2', { ...nesting, 'environment.A': '1' })
  expect(await volumesOf('n2')).toEqual(before)
  await create('n3', { source: { type: 'copy', source: 'n2' } })
  expect(mountsOf(await inspect('n3'))).toEqual([inside])
  expect(await volumesOf('n3')).not.toEqual(before)
  await create('n4', { source: { type: 'copy', source: 'v1' }, config: nesting })
  expect(mountsOf(await inspect('n4'))).toEqual(['/var', inside])

  await operate('PUT', '/1.0/instances/n1/state', { action: 'stop', force: true })
  for (const name of ['n1', 'n2', 'n3', 'n4']) {
    const made = await volumesOf(name)
    await operate('DELETE', `/1.0/instances/${name}`)
    for (const volume of made) expect(await statusOf(`/volumes/${volume}`)).toBe(404)
  }
})

test('a change that cannot be made leaves no new volume', async () => {
  await create('u1', { source: { type: 'none' } })
  const before = await allVolumes()
  const config = { 'security.nesting': 'true' }
  const devices = { gone: { type: 'disk', source: '/no/such/path', path: '/srv' } }
  const failed = await windlass.operate('PUT', '/1.0/instances/u1', { config, devices, profiles: ['default'] })
  expect(failed).toMatchObject({ status: 'Failure', err: expect.stringContaining('/no/such/path') })
  expect(await allVolumes()).toEqual(before)
})

async function operate(method: string, path: string, body?: unknown): Promise<Operation> {
  const ended = await windlass.operate(method, path, body)
  expect(ended).toMatchObject({ status: 'Success', err: '' })
  return ended
}

/** A copy is made stopped; one from nothing has no program that could run. */
async function create(
  name: string,
  body: { source: { type: string; [key: string]: string }; config?: Config },
): Promise<void> {
  await operate('POST', '/1.0/instances', { name, ...body, start: body.source.type === 'image' })
  if (body.source.type === 'copy' && name.startsWith('v'))
    await operate('PUT', `/1.0/instances/${name}/state`, { action: 'start' })
}

async function put(name: string, config: Record<string, string>): Promise<void> {
  await operate('PUT', `/1.0/instances/${name}`, { config, devices: {}, profiles: ['default'], description: '' })
}

async function sh(name: string, script: string): Promise<string> {
  const body = { command: ['sh', '-c', script], 'record-output': true }
  const { metadata } = await operate('POST', `/1.0/instances/${name}/exec`, body)
  return (await windlass.call('GET', String(fieldOf(metadata?.['output'], '1')))).text
}

interface Inspected {
  Mounts: { Destination: string; Name: string }[]
}

async function ask<T>(path: string): Promise<T> {
  return JSON.parse((await askEngine(windlass.engine.socket, 'GET', path)).text)
}

const statusOf = async (path: string) => (await askEngine(windlass.engine.socket, 'GET', path)).status
const inspect = (name: string) => ask<Inspected>(`/containers/${name}.lxd/json`)
const mountsOf = ({ Mounts }: Inspected) => Mounts.map(({ Destination }) => Destination).toSorted()
const volumesOf = async (name: string) => (await inspect(name)).Mounts.map(({ Name }) => Name).toSorted()

async function allVolumes(): Promise<string[]> {
  const { Volumes } = await ask<{ Volumes: { Name: string }[] }>('/volumes')
  return Volumes.map(({ Name }) => Name).toSorted()
}

/** The tiny image with a `VOLUME` in which there is something, as `docker save` writes it. */
async function imageWithVolume(): Promise<Buffer> {
  const { socket, dockerHost } = windlass.engine
  const changes = [...starterImageChanges, 'VOLUME /var'].map((line) => `changes=${encodeURIComponent(line)}`).join('&')
  const path = `/images/create?fromSrc=-&repo=windlass-test/var&tag=1&${changes}`
  expect((await askEngine(socket, 'POST', path, await tinyImageTar())).status).toBe(200)
  const engine = createDockerEngine({ member: 'test', deployment: 'other', dockerHost })
  const tar = await buffer(await engine.images.save('windlass-test/var:1'))
  await engine.close()
  await askEngine(socket, 'DELETE', '/images/windlass-test/var:1')
  return tar
}
