import { expect, test } from 'vitest'
import { NEVER } from '../../../src/contract/common.ts'
import type { ImageRecord, InstanceRecord } from '../../../src/contract/records.ts'
import { createScheduleSources } from '../../../src/services/schedule-sources.ts'
import { createSchedules } from '../../../src/services/schedules.ts'

const DAY = 86_400_000
const HOUR = 3_600_000
const NOON = Date.parse('2026-03-04T12:00:00Z')
const at = (time: number) => new Date(time).toISOString()

function image(name: string, more: Partial<ImageRecord>): ImageRecord {
  const record = { uuid: `uuid-${name}`, name, project: 'default', cached: false, auto_update: false, source: '' }
  const times = { uploaded_at: at(NOON - 100 * DAY), last_used_at: NEVER, expires_at: NEVER }
  return { ...record, ...times, ...more } as ImageRecord // what schedules look at
}

/** What one tick asks for, of these images and with these settings. */
async function tick(
  images: ImageRecord[],
  {
    now = NOON,
    server = {},
    project = {},
    instances = [],
  }: { now?: number; server?: object; project?: object; instances?: Partial<InstanceRecord>[] } = {},
): Promise<string[]> {
  const asked: string[] = []
  const lists: Record<string, object[]> = {
    image: images,
    project: [{ name: 'default', config: project }],
    instance: instances,
  }
  const answer = async (word: string, name: string, once = ''): Promise<never> => {
    asked.push(`${word} ${name}${once && ` ${once}`}`)
    return undefined as never // nobody looks at the operation
  }
  const never = () => {
    throw new Error('Not asked for here')
  }
  const sources = createScheduleSources({
    records: {
      get: never,
      owned: never,
      find: async () => ({ config: server }) as never, // the server's settings
      list: async (noun: string) => (lists[noun] ?? []) as never[],
    },
    views: { list: async () => [] },
    snapshots: { create: never, remove: never },
    backups: { remove: never },
    volumeSnapshots: { create: never, remove: never },
    volumeBackups: { remove: never },
    images: {
      remove: (_caller, _project, name, seen) =>
        answer('remove', `${name}${seen?.uuid === `uuid-${name}` ? '' : ' unseen'}`),
      refresh: (_caller, _project, name, once) => answer('refresh', name, once),
    },
  })
  const schedules = createSchedules({
    ...sources,
    clock: { now: () => now },
    onError: (failure) => Promise.reject(failure),
  })
  await schedules.tick(now)
  return asked
}

test('an image is removed when its time is over, whether cached or not', async () => {
  const over = [image('a', { expires_at: at(NOON) }), image('b', { expires_at: at(NOON - DAY), cached: true })]
  expect(await tick([...over, image('c', { expires_at: at(NOON + 1) }), image('d', {})])).toEqual([
    'remove a',
    'remove b',
  ])
})

test('a cached image is removed when nothing was made of it for as long as the settings say', async () => {
  const cached = image('a', { cached: true, uploaded_at: at(NOON - 9 * DAY) })
  expect(await tick([cached])).toEqual([])
  expect(await tick([cached], { now: NOON + DAY })).toEqual(['remove a'])
  expect(await tick([cached], { server: { 'images.remote_cache_expiry': '9' } })).toEqual(['remove a'])
  const settings = { server: { 'images.remote_cache_expiry': '9' }, project: { 'images.remote_cache_expiry': '0' } }
  expect(await tick([cached], settings)).toEqual([])
  const instance = { image: 'a', project: 'default', created_at: at(NOON - DAY) }
  expect(await tick([cached], { now: NOON + DAY, instances: [instance] })).toEqual([])
})

test('an image that follows where it came from is looked for again at each interval, once', async () => {
  const origin = { url: 'https://a', certificate: '', reach: [], image: 'a', project: 'default' }
  const since = { uploaded_at: at(NOON + 20_000) }
  const pulled = image('p', { auto_update: true, source: 'docker.io/library/alpine:3', ...since })
  const copied = image('c', { auto_update: true, origin, ...since })
  const still = [image('s', { source: 'x', ...since }), image('u', { auto_update: true, ...since })]
  const all = [pulled, copied, ...still]
  expect(await tick(all, { now: NOON + 20_000 })).toEqual([])
  expect(await tick(all, { now: NOON + 5 * HOUR })).toEqual([])
  const due = NOON + 6 * HOUR
  expect(await tick(all, { now: due + 30_000 })).toEqual([
    `refresh p schedule:uuid-p:${due}`,
    `refresh c schedule:uuid-c:${due}`,
  ])
  expect(await tick(all, { now: due + 60_000 })).toEqual([])
  expect(await tick([pulled], { now: NOON + 4 * HOUR, server: { 'images.auto_update_interval': '2' } })).toHaveLength(1)
  expect(await tick([pulled], { now: due, project: { 'images.auto_update_interval': '0' } })).toEqual([])
})
