import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { importTinyImage, TINY_IMAGE } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { base64, HEX, hostapi, ILLEGAL, pkOf, refused, STAYS } from './hostapi-kit.ts'

let windlass: TestWindlass
const { read, send, remove, make, start, run, statusOf, list, clear } = hostapi(() => windlass)

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1 })
})

beforeEach(() => publishStarterImage(windlass.socket, '/bin/busybox'))

afterAll(() => windlass?.[Symbol.asyncDispose]())
afterEach(clear)

describe('containers', () => {
  test("names and ids: found by pk, its beginning, both names and the engine's id; the same after rename and restore", async () => {
    const made = await send('/containers', 201, { name: 'test_vm.1', image: 'busybox', command: STAYS })
    const pk = pkOf(made)
    expect(pk).toMatch(HEX)
    expect(made.headers.location).toBe(`/containers/${pk}`)
    expect(made.body).toEqual({
      pk,
      status: 'stopped',
      Id: pk,
      Names: ['/test_vm.1', '/test-vm-1'],
      Image: 'busybox',
      Command: STAYS,
      Created: expect.any(Number),
      Status: '',
      Ports: [],
      Labels: {},
    })
    const listed = JSON.parse((await askEngine(windlass.engine.socket, 'GET', '/containers/json?all=1')).text)
    const engineId = String(listed[0].Id)
    for (const reference of [
      pk,
      pk.slice(0, 12),
      'test_vm.1',
      'test-vm-1',
      engineId,
      engineId.slice(0, 12),
      base64(pk),
    ])
      await read(`/containers/${reference}`, [200, made.body])
    await windlass.operate('POST', '/1.0/instances/test-vm-1', { name: 'renamed' })
    expect((await read('/containers/test_vm.1')).body).toMatchObject({ pk, Names: ['/test_vm.1', '/renamed'] })
    // Another one whose name becomes the same.
    await make('renamed_', {})
    expect((await read('/containers/renamed_')).body).toMatchObject({ Names: ['/renamed_', '/renamed-2'] })
    await send('/containers', refused(409, 'Container name already in use'), {
      name: 'renamed_',
      image: 'busybox',
      command: '',
    })
  })

  test('those made elsewhere are there as well, under their own names', async () => {
    const source = { type: 'image', alias: 'busybox' }
    await windlass.operate('POST', '/1.0/instances', { name: 'native', source, start: true })
    expect((await read('/containers/native')).body).toMatchObject({
      Names: ['/native'],
      status: 'running',
      Command: '',
    })
    expect((await read('/containers/native')).body).toHaveProperty('Status', expect.stringMatching(/^Up/))
    await send('/containers', 409, { name: 'native', image: 'busybox', command: '' })
  })

  test('lifecycle: every action in every state', async () => {
    const pk = await make('n1')
    const act = (action: string, wanted: Parameters<typeof send>[1]) => send(`/containers/${pk}/${action}`, wanted, {})
    for (const action of ['stop', 'suspend', 'resume']) await act(action, ILLEGAL)
    await act('start', 204)
    expect(await statusOf(pk)).toBe('running')
    for (const action of ['start', 'resume']) await act(action, ILLEGAL)
    await remove(`/containers/${pk}`, [
      412,
      expect.objectContaining({ error: ILLEGAL[1] && fieldOf(ILLEGAL[1], 'error') }),
    ])
    await act('suspend', 204)
    expect((await read(`/containers/${pk}`)).body).toMatchObject({
      status: 'suspended',
      Status: expect.stringMatching(/^Up .+ \(Paused\)$/),
    })
    for (const action of ['start', 'suspend']) await act(action, ILLEGAL)
    await act('resume', 204)
    await act('restart', 204)
    await act('suspend', 204)
    await act('restart', 204)
    expect(await statusOf(pk)).toBe('running')
    await act('suspend', 204)
    await act('stop', 204)
    expect(await statusOf(pk)).toBe('stopped')
    await act('restart', 204)
    expect(await statusOf(pk)).toBe('running')
    await act('stop', 204)
    await remove(`/containers/${pk}/`)
    await remove(`/containers/${pk}`, refused(404, 'Container not found'))
  })

  test('ids in base64: what is so already is done, and what runs can be deleted', async () => {
    const pk = await start('n1')
    const path = `/containers/${base64(pk)}`
    for (const action of ['start', 'suspend', 'suspend', 'stop', 'stop', 'start', 'start', 'restart'])
      await send(`${path}/${action}`, 204, {})
    await send(`${path}/resume`, ILLEGAL, {})
    await send(`${path}/suspend`, 204, {})
    await remove(path)
    await read(path, refused(404, 'Container not found'))
    expect(await list('/containers')).toEqual([])
  })

  test('exec and logs', async () => {
    const pk = await start('n1', { command: 'sh -c "echo one; echo; echo two; exec sleep 1000"' })
    await expect.poll(() => list(`/containers/${pk}/logs`)).toEqual(['one', 'two'])
    expect(await run(pk, 'echo "a  b" c\\ d')).toBe('a  b c d\n')
    expect(await run(pk, `sh -c 'echo out; echo err >&2; exit 3'`)).toBe('out\nerr\n')
    expect(await run(pk, 'true')).toBe('')
    expect(await run(pk, '/no/such/program')).toBe('Command not found\n')
    expect((await read(`/containers/${pk}/public_key`)).body).toContain("can't open '/etc/ssh/ssh_host_rsa_key.pub'")
    await run(pk, `sh -c 'mkdir -p /etc/ssh; echo ssh-rsa AAAA root@n1 > /etc/ssh/ssh_host_rsa_key.pub'`)
    await read(`/containers/${pk}/public_key`, [200, 'ssh-rsa AAAA root@n1\n'])
    // What was put out is not left behind.
    const left = await askEngine(windlass.engine.socket, 'GET', '/volumes')
    expect(left.text).not.toContain('windlass-output')
    const operations = (await windlass.call('GET', '/1.0/operations?recursion=1&history=true')).text
    expect(operations.match(/Executing command/g)?.length).toBe(7)
    await send(`/containers/${pk}/stop`, 204)
    expect(await list(`/containers/${pk}/logs/`)).toEqual(['one', 'two'])
    for (const path of ['exec', 'exec/']) await send(`/containers/${pk}/${path}`, 412, { command: 'ls' })
    await read(`/containers/${pk}/public_key`, 412)
  })

  test('clones: of B, with all that it is; of C, with the image between', async () => {
    const pk = await start('n1')
    await run(pk, 'touch /made-here')
    const { body, headers } = await send(`/containers/${pk}/clone`, 201, { name: 'n2' })
    expect(body).toMatchObject({ Names: ['/n2'], status: 'stopped', Command: STAYS })
    expect(headers.location).toBe(`/containers/${pkOf({ body })}`)
    await send(`/containers/n2/start`, 204)
    expect(await run('n2', 'ls /made-here')).toBe('/made-here\n')
    const order = {
      username: 'anna',
      uid: 7,
      name: 'n3',
      cmd: STAYS,
      ports: [],
      volumes: [],
      base_url: '/u',
      image: null,
    }
    const cloned = await send('/containers', 201, { ...order, clone_of: pk })
    expect(cloned.body).toMatchObject({
      container: { Names: ['/coco-u7-n3'], status: 'running' },
      image: { RepoTags: [expect.stringMatching(/^n1:for-clone-coco-u7-n3-at-\d{10}$/)] },
    })
    expect(await run('coco-u7-n3', 'ls /made-here')).toBe('/made-here\n')
    const image = pkOf({ body: fieldOf(cloned.body, 'image') })
    await read(`/containers/images/${base64(image)}`, [200, fieldOf(cloned.body, 'image')])
    await remove(`/containers/images/${base64(image)}`)
    expect(await statusOf('coco-u7-n3')).toBe('running')
    // One that cannot be made leaves no image.
    const before = await list('/containers/images')
    await send('/containers', 409, { ...order, clone_of: pk })
    await send('/containers', 422, { ...order, name: 'n4', cmd: "'", clone_of: pk })
    expect(await list('/containers/images')).toEqual(before)
    await send('/containers', refused(404, 'Container not found'), { ...order, name: 'n4', clone_of: 'nobody' })
  })

  test('creation for a user: named after the uid, started, with environment and ports', async () => {
    const ports = [{ address: '127.0.0.1', external: 38_080, internal: 80 }]
    const order = {
      username: 'anna',
      uid: 2500,
      name: 'web',
      ports,
      volumes: [],
      cmd: null,
      base_url: '/base',
      clone_of: null,
    }
    const { body } = await send('/containers', 201, { ...order, image: 'busybox:latest', more: 'is ignored' })
    expect(body).toMatchObject({
      status: 'running',
      Names: ['/coco-u2500-web'],
      Ports: [{ IP: '127.0.0.1', PrivatePort: 80, PublicPort: 38_080, Type: 'tcp' }],
    })
    expect(await run(pkOf({ body }), 'sh -c "echo $OWNER $BASE_URL"')).toBe('anna /base\n')
  })

  test('containers made by others: read, started, run in and stopped, nothing else', async () => {
    await importTinyImage(windlass.engine.socket)
    const wish = { Image: TINY_IMAGE, Cmd: ['sleep', '1000'] }
    const made = await askEngine(windlass.engine.socket, 'POST', '/containers/create?name=by_others', wish)
    const pk = String(JSON.parse(made.text).Id)
    await expect
      .poll(() => list('/containers'))
      .toEqual([expect.objectContaining({ pk, Names: ['/by_others'], Image: TINY_IMAGE })])
    await send(`/containers/${pk}/start`, 204)
    expect(await run('by_others', 'echo hello')).toBe('hello\n')
    const forbidden = [403, { error: expect.stringContaining('made by others') }] as [number, unknown]
    for (const path of ['suspend', 'clone', 'snapshots'])
      await send(`/containers/${pk}/${path}`, forbidden, { name: 'x' })
    await send('/containers/images', forbidden, { container: pk, name: 'x' })
    await remove(`/containers/${base64(pk)}`, forbidden)
    expect(await statusOf(pk)).toBe('running')
    await send(`/containers/${base64(pk)}/stop`, 204)
    await askEngine(windlass.engine.socket, 'DELETE', `/containers/${pk}?force=1`)
  })
})

describe('snapshots and images', () => {
  test('snapshots: made, listed, read, restored and deleted, nested and by themselves', async () => {
    const pk = await start('n1')
    await run(pk, 'touch /before')
    const { body, headers } = await send(`/containers/${pk}/snapshots`, 201, { name: 's1' })
    const sh = pkOf({ body })
    expect(sh).toMatch(HEX)
    expect(body).toMatchObject({ Id: sh, RepoTags: ['n1:snapshot_s1'], ParentId: '', Labels: {} })
    expect(headers.location).toBe(`/containers/${pk}/snapshots/${sh}`)
    await send(`/containers/${pk}/snapshots`, 409, { name: 's1' })
    for (const path of [`/containers/${pk}/snapshots`, '/containers/snapshots', '/containers/snapshots/'])
      await read(path, [200, [body]])
    const references = [sh, sh.slice(0, 12), 's1', base64(sh), base64('n1:snapshot-s1')]
    for (const below of [`/containers/${pk}/snapshots`, '/containers/snapshots'])
      for (const reference of references) await read(`${below}/${reference}`, [200, body])
    await run(pk, 'rm /before')
    await send(`/containers/${pk}/snapshots/${sh}/restore`, [200, body])
    expect(pkOf(await read('/containers/n1'))).toBe(pk)
    if ((await statusOf(pk)) !== 'running') await send(`/containers/${pk}/start`, 204)
    expect(await run(pk, 'ls /before')).toBe('/before\n')
    await remove(`/containers/${pk}/snapshots/${sh}`)
    for (const path of [`/containers/${pk}/snapshots/${sh}`, `/containers/snapshots/${sh}`]) {
      await read(path, refused(404, 'Container snapshot not found'))
      await remove(path, refused(404, 'Container snapshot not found'))
    }
    await send(`/containers/${pk}/snapshots/${sh}/restore`, refused(404, 'Container snapshot not found'))
    await send(`/containers/${pk}/snapshots`, 201, { name: 's2' })
    await remove(`/containers/snapshots/${base64(pkOf({ body: (await list('/containers/snapshots'))[0] }))}`)
    await read('/containers/snapshots', [200, []])
  })

  test('images: made of a container, found by id and name, deleted while something was made from them', async () => {
    const pk = await start('n1')
    await run(pk, 'touch /in-image')
    const { body, headers } = await send('/containers/images', 201, { container: pk, name: 'team/web:1' })
    const img = pkOf({ body })
    expect(body).toMatchObject({ Id: img, RepoTags: ['team/web:1'], ParentId: '' })
    expect(headers.location).toBe(`/containers/images/${img}`)
    for (const reference of [
      img,
      img.slice(0, 12),
      base64(img),
      base64('team/web:1'),
      encodeURIComponent('team/web:1'),
    ])
      await read(`/containers/images/${reference}`, [200, body])
    expect(await list('/containers/images/')).toContainEqual(body)
    await send('/containers/images', 409, { container: pk, name: 'team/web:1' })
    const n2 = await start('n2', { image: img })
    await remove(`/containers/images/${img}`)
    await read(`/containers/images/${img}`, refused(404, 'Container image not found'))
    expect(await run(n2, 'ls /in-image')).toBe('/in-image\n')
    await send(`/containers/n2/restart`, 204)
  })
})
