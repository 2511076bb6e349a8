import { describe, expect, test } from 'vitest'
import { toEngineEvent } from '../../../src/engine/docker/events.ts'
import {
  toContainerDetail,
  toContainerSummary,
  toEngineInfo,
  toImageDetail,
  toImageSummary,
  toNetworkDetail,
  toVolumeDetail,
} from '../../../src/engine/docker/normalize.ts'
import { fields, list } from '../../../src/engine/docker/read.ts'
import { toStats } from '../../../src/engine/docker/stats.ts'
import { RECORDED, recording } from './recordings.ts'

const HASH = /^(sha256:)?[0-9a-f]{64}$/
const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/

describe.each(RECORDED)('recorded answers of engine %s', (version) => {
  const answers = recording(version)

  test('a running container', () => {
    const it = toContainerDetail(answers['container-running'], 'd')
    expect(it).toMatchObject({
      name: 'rec-running',
      image: 'fn-tiny:latest',
      status: 'running',
      labels: { 'rec.kind': 'container' },
      own: undefined,
      finishedAt: 0,
      exitCode: 0,
      hostname: 'rec',
      tty: false,
      stopSignal: 'SIGKILL',
      command: ['sleep', '3600'],
      entrypoint: [],
      privileged: false,
      binds: [],
      hostNamespaces: [],
      addedCapabilities: [],
    })
    expect(it.id).toMatch(HASH)
    expect(it.imageId).toMatch(HASH)
    expect(it.environment.A).toBe('1')
    expect(it.mounts).toMatchObject([{ type: 'volume', volume: 'rec-vol', path: '/v', readonly: false }])
    expect(it.networks['rec-net']).toMatchObject({ address: '10.232.0.10', prefix: 24, gateway: '10.232.0.1' })
    expect(it.networks['rec-net']?.mac).toMatch(MAC)
    expect(it.startedAt).toBeGreaterThan(it.created)
    expect(it.pid).toBeGreaterThan(0)
  })

  test('containers that do not run keep the address they were made with', () => {
    const stopped = toContainerDetail(answers['container-stopped'], 'd')
    expect(stopped).toMatchObject({ status: 'exited', exitCode: 137, pid: 0 })
    expect(stopped.networks['rec-net']).toMatchObject({ address: '10.232.0.11', prefix: 0 })
    expect(stopped.finishedAt).toBeGreaterThan(stopped.startedAt)
    expect(toContainerDetail(answers['container-created'], 'd')).toMatchObject({ status: 'created', startedAt: 0 })
    expect(toContainerDetail(answers['container-paused'], 'd')).toMatchObject({ status: 'paused' })
  })

  test('a list says the same as looking at each', () => {
    const listed = list(answers.containers).map((one) => toContainerSummary(one, 'd'))
    expect(listed.map((one) => one.name).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
      'rec-created',
      'rec-paused',
      'rec-running',
      'rec-stopped',
    ])
    for (const one of listed) {
      const detail = toContainerDetail(answers[`container-${one.name.slice('rec-'.length)}`], 'd')
      expect(one).toMatchObject({
        id: detail.id,
        imageId: detail.imageId,
        status: detail.status,
        labels: detail.labels,
      })
      expect(Math.abs(one.created - detail.created)).toBeLessThan(1000)
      expect(one.networks['rec-net']?.address).toBe(detail.networks['rec-net']?.address)
    }
  })

  test('images', () => {
    const images = list(answers['images-all']).map((one) => toImageSummary(one, 'd'))
    const made = images.find((one) => one.tags.includes('rec-snap:s1'))
    expect(made).toMatchObject({ labels: { operation: 'rec-op-1' }, own: undefined })
    expect(made?.size).toBeGreaterThan(0)
    expect(images.flatMap((one) => one.tags).filter((tag) => tag.includes('<none>'))).toEqual([])
    const detail = toImageDetail(answers['image-committed'], 'd')
    expect(detail).toMatchObject({
      id: made?.id,
      tags: ['rec-snap:s1'],
      architecture: 'amd64',
      command: ['sleep', '3600'],
      entrypoint: [],
      user: '',
      stopSignal: 'SIGKILL',
      volumes: [],
    })
    expect(detail.layers).toBeGreaterThan(0)
    expect(Math.abs(detail.created - (made?.created ?? 0))).toBeLessThan(1000)
    expect(toImageDetail(answers.image, 'd')).toMatchObject({
      tags: ['fn-tiny:latest'],
      command: ['/bin/sh'],
      layers: 1,
    })
  })

  test('a network and a volume', () => {
    expect(toNetworkDetail(answers.network, 'd')).toMatchObject({
      name: 'rec-net',
      driver: 'bridge',
      bridge: 'recbr0',
      subnet: '10.232.0.0/24',
      gateway: '10.232.0.1',
      own: undefined,
    })
    expect(toNetworkDetail(answers.network, 'd').containers.length).toBeGreaterThan(0)
    expect(toVolumeDetail(answers.volume, 'd')).toMatchObject({ name: 'rec-vol', labels: { 'rec.kind': 'volume' } })
    expect(toVolumeDetail(answers.volume, 'd').created).toBeGreaterThan(0)
  })

  test('stats', () => {
    const stats = toStats(answers['stats-oneshot'])
    expect(stats?.cpuNanoseconds).toBeGreaterThan(0)
    expect(stats?.memoryBytes).toBeGreaterThan(0)
    expect(stats?.processes).toBe(2)
    expect(stats?.networks.eth0?.rxBytes).toBeGreaterThan(0)
    expect(toStats(answers['stats-stopped'])).toBeUndefined()
  })

  test('what it is', () => {
    const info = toEngineInfo(answers.info, 41)
    expect(info).toMatchObject({
      apiVersion: '1.41',
      name: 'docker-host',
      architecture: 'x86_64',
      cpus: 2,
      containers: 4,
    })
    expect(info.version.startsWith(version.split('-')[0] ?? '')).toBe(true)
    expect(info.cgroupVersion).toBe('1')
    expect(info.rootDir).toBe('/var/lib/docker')
  })

  test('events, but none of execs', () => {
    const events = list(answers.events).map((line) => toEngineEvent(fields(line)))
    expect(events.filter((event) => event === undefined)).toHaveLength(
      list(answers.events).filter((line) => String(fields(line).Action).startsWith('exec_')).length,
    )
    const died = events.find((event) => event?.action === 'die')
    expect(died).toMatchObject({ type: 'container', exitCode: 137, attributes: { name: 'rec-stopped' } })
    expect(died?.id).toMatch(HASH)
    expect(died?.at).toBeGreaterThan(1.7e12)
  })
})

test('answers without the fields that matter are refused, others are empty', () => {
  for (const broken of [undefined, null, 7, 'x', [], {}, { Id: '' }]) {
    expect(() => toContainerDetail(broken, 'd')).toThrow("without a container's id")
    expect(() => toImageSummary(broken, 'd')).toThrow("without an image's id")
    expect(() => toVolumeDetail(broken, 'd')).toThrow("without a volume's name")
    expect(() => toNetworkDetail(broken, 'd')).toThrow("without a network's id")
  }
  expect(toContainerSummary({ Id: 'a', Names: ['/x/alias', '/real'], Labels: [1], State: 'odd' }, 'd')).toMatchObject({
    name: 'real',
    labels: {},
    status: 'dead',
    networks: {},
  })
  expect(toImageSummary({ Id: 'a', RepoTags: ['<none>:<none>'], Created: '7' }, 'd')).toMatchObject({
    tags: [],
    created: 0,
  })
  expect(
    toContainerDetail({ Id: 'a', HostConfig: { PidMode: 'host', NetworkMode: 'host' } }, 'd').hostNamespaces,
  ).toEqual(['network', 'pid'])
})
