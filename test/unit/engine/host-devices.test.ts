import { describe, expect, test } from 'vitest'
import type { HostDevice } from '../../../src/core/container.ts'
import { NO_GPU } from '../../../src/core/host-devices.ts'
import { createHostDevices } from '../../../src/engine/docker/host-devices.ts'
import { toEngineInfo } from '../../../src/engine/docker/normalize.ts'
import type { EngineRequest } from '../../../src/engine/docker/requests.ts'
import { badRequest } from '../../../src/core/failure.ts'
import { fields, list } from '../../../src/engine/docker/read.ts'
import { recording } from './recordings.ts'

const MODES = { char: 2 ** 26 + 2 ** 21, block: 2 ** 26, folder: 2 ** 31, file: 0 }
type Host = Record<string, keyof typeof MODES>

/** An engine whose host has these files. */
function devices(host: Host, runtimes: string[] = ['runc']) {
  const helpers = new Map<string, string>()
  const ask = async (request: EngineRequest) => {
    if (request.path === '/containers/create') {
      const path = String(fields(list(fields(fields(request.body).HostConfig).Mounts)[0]).Source)
      if (host[path] === undefined) throw badRequest('bind source path does not exist')
      helpers.set(`h${helpers.size}`, path)
      return { status: 201, headers: {}, words: '', body: { Id: `h${helpers.size - 1}` } }
    }
    const helper = request.path.split('/')[2] ?? ''
    if (request.method === 'DELETE') helpers.delete(helper)
    const kind = host[helpers.get(helper) ?? ''] ?? 'file'
    const header = Buffer.from(JSON.stringify({ mode: MODES[kind] })).toString('base64')
    return { status: 200, headers: { 'x-docker-container-path-stat': header }, words: '', body: undefined }
  }
  const closed = new AbortController().signal
  const wire = { deployment: 'd', member: 'm', timeouts: { change: 1_000 }, closed, ask } as never // what the subject needs of it
  const info = { ...toEngineInfo(recording('20.10.24').info, 41), runtimes }
  const given = createHostDevices(
    wire,
    async () => 'empty',
    async () => info,
  )
  return { ...given, helpers }
}

const node: HostDevice = {
  device: 'x',
  kind: 'unix-char',
  source: '/dev/fuse',
  path: '/dev/f',
  permissions: 'rwm',
  required: true,
}
const asked = (path: string, inside = path) => ({
  PathOnHost: path,
  PathInContainer: inside,
  CgroupPermissions: 'rwm',
})
const gpu = (id = '') => ({ hostDevices: [], gpus: [{ device: 'g', id }] })

describe('nodes', () => {
  test('are given by their path on the host', async () => {
    const { give, helpers } = devices({ '/dev/fuse': 'char' })
    expect(await give({ hostDevices: [node], gpus: [] })).toEqual({
      Devices: [asked('/dev/fuse', '/dev/f')],
      DeviceRequests: [],
    })
    expect(helpers.size).toBe(0)
  })

  test.each([
    [{}, `Failed to start device "x": The required device path doesn't exist: "/dev/fuse"`],
    [{ '/dev/fuse': 'block' }, 'Failed to start device "x": Path specified is not a unix-char device'],
    [{ '/dev/fuse': 'folder' }, 'Path specified is not a unix-char device'],
    [{ '/dev/fuse': 'file' }, 'Path specified is not a unix-char device'],
  ] satisfies [Host, string][])('%j: refused', async (host, text) => {
    await expect(devices(host).give({ hostDevices: [node], gpus: [] })).rejects.toMatchObject({
      code: 'bad-request',
      message: expect.stringContaining(text),
    })
  })

  test('that are not there can be left out', async () => {
    const { give } = devices({})
    expect(await give({ hostDevices: [{ ...node, required: false }], gpus: [] })).toMatchObject({ Devices: [] })
  })
})

describe('GPUs', () => {
  test('come by the nvidia runtime where there is one', async () => {
    const { give } = devices({}, ['runc', 'nvidia'])
    const request = { Driver: 'nvidia', Capabilities: [['gpu']] }
    expect(await give(gpu())).toEqual({ Devices: [], DeviceRequests: [{ ...request, Count: -1 }] })
    expect(await give(gpu('1'))).toEqual({ Devices: [], DeviceRequests: [{ ...request, DeviceIDs: ['1'] }] })
  })

  test("come as the nodes of the host's cards", async () => {
    const host: Host = { '/dev/dri': 'folder', '/dev/dri/card0': 'char', '/dev/dri/renderD128': 'char' }
    const { give, gpus } = devices({ ...host, '/dev/dri/card1': 'char' })
    expect(await gpus()).toBe('nodes')
    expect(await give(gpu())).toMatchObject({ Devices: [asked('/dev/dri')] })
    expect(await give(gpu('0'))).toMatchObject({ Devices: [asked('/dev/dri/card0'), asked('/dev/dri/renderD128')] })
    expect(await give(gpu('1'))).toMatchObject({ Devices: [asked('/dev/dri/card1')] })
    await expect(give(gpu('2'))).rejects.toThrow('has no /dev/dri/card2')
  })

  test('are refused where there are none', async () => {
    const { give, gpus } = devices({})
    expect(await gpus()).toBe('none')
    await expect(give(gpu())).rejects.toThrow(`Failed to start device "g": ${NO_GPU}`)
  })
})
