import { expect, test } from 'vitest'
import type { OperationRecord } from '../../../src/contract/operation-record.ts'
import type { OwnLabels } from '../../../src/core/container.ts'
import type { Engine } from '../../../src/core/engine.ts'
import { findLeftovers } from '../../../src/sweep/leftovers.ts'
import { lookAt, type SightDeps } from '../../../src/sweep/sight.ts'
import { instance, snapshot } from '../../ports/samples.ts'
import { absent } from '../../support/absent.ts'

const labels = (operation: string, more: Partial<OwnLabels> = {}): OwnLabels => ({
  deployment: 'd',
  role: 'instance',
  uuid: 'u1',
  project: 'default',
  operation,
  step: 's',
  origin: '',
  ...more,
})

const COPY = '00000000-0000-4000-8000-000000000003'
const LOST = '00000000-0000-4000-8000-000000000008'

type Containers = [id: string, own: OwnLabels | undefined, more?: object][]

interface Circumstances {
  /** What is asked about operations when `going` ends. */
  endsAt?: 'getMany' | 'recent'
  unreadable?: string
  /** Only since the records were listed: a newer version has just written it. */
  sinceListed?: boolean
  images?: [tag: string, own: OwnLabels][]
}

/** Instance u1 is `kept`; u2 and snapshot COPY appear with the end of the operation `going`, which speaks of both. */
async function left(containers: Containers, more: Circumstances = {}): Promise<string[]> {
  let isOver = false
  let isListed = false
  const asked = (what: Circumstances['endsAt']): void => {
    isOver ||= more.endsAt === what
    if (isOver) states['going'] = 'success'
  }
  const states: Record<string, OperationRecord['state']> = { over: 'success', failed: 'failure', going: 'running' }
  const deps: SightDeps = {
    records: {
      list: (async (noun: string) => {
        await Promise.resolve()
        isListed = true
        if (noun === 'snapshot') return isOver ? [snapshot({ uuid: COPY, instance: 'u2' })] : []
        if (noun !== 'instance') return []
        const late = isOver ? [instance({ uuid: 'u2', container: 'late' })] : []
        return [instance({ uuid: 'u1', container: 'kept' }), ...late]
      }) as SightDeps['records']['list'], // the nouns that are asked for
      unreadable: async () =>
        more.unreadable === undefined || (more.sinceListed === true && !isListed)
          ? []
          : [{ noun: 'instance', uuid: more.unreadable, reason: '' }],
    },
    store: {
      getMany: async (ids) => {
        asked('getMany')
        return ids.flatMap((id) => (id in states ? [{ id, state: states[id] }] : [])) as OperationRecord[] // what is read
      },
      recent: async () => {
        asked('recent')
        return Object.entries(states).map(([id, state]) => ({
          id,
          state,
          input: id === 'going' ? ['u2', COPY] : [LOST],
        })) as unknown as OperationRecord[] // what is read
      },
    },
    transfers: { look: async (ids) => new Map(ids.filter((id) => id === 'upload').map((id) => [id, 'dead'])) },
  }
  const listed = containers.map(([id, own, rest]) => ({ id, name: id, own, imageId: '', created: 0, ...rest }))
  const images = (more.images ?? []).map(([tag, own]) => ({ id: tag, tags: [tag], own, inherited: own, parent: '' }))
  const engine = absent<Engine>('engine', {
    member: 'local',
    containers: absent<Engine['containers']>('containers', {
      list: (async () => listed) as unknown as Engine['containers']['list'], // what is read
    }),
    volumes: absent<Engine['volumes']>('volumes', { find: async () => [] }),
    images: absent<Engine['images']>('images', {
      list: (async () => images) as unknown as Engine['images']['list'], // what is read
    }),
    networks: absent<Engine['networks']>('networks', { list: async () => [] }),
  })
  const found = await findLeftovers(deps, await lookAt(deps, engine, 100 * 3_600_000), 100 * 3_600_000)
  return found.map(({ object }) => object.split(' ')[1] ?? '')
}

test('only what an ended operation or a dead transfer has left and no record points to goes', async () => {
  const fresh = { created: 100 * 3_600_000 - 1_000 }
  const helper = (operation: string) => labels(operation, { role: 'helper' })
  const found = await left([
    ['kept', labels('over')],
    ['old', labels('over')],
    ['half', labels('failed', { uuid: 'u9' })],
    ['helper', helper('failed')],
    ['uploading', helper('upload')],
    ['in-work', labels('going')],
    ['of-an-unknown-operation', labels('forgotten')],
    ['of-no-operation', labels('')],
    ['foreign', undefined],
    ['reading', helper(''), { status: 'created', ...fresh }],
    ['looking', helper(''), { status: 'running' }],
    ['forgotten-reader', helper(''), { status: 'created' }],
    ['forgotten-look', helper(''), { status: 'exited' }],
  ])
  expect(found).toEqual(['old', 'half', 'helper', 'uploading', 'forgotten-reader', 'forgotten-look'])
})

test('what others have made of an image with our labels is theirs', async () => {
  const helper = labels('over', { role: 'helper', uuid: 'u9' })
  const found = await left(
    [
      ['of-a-commit', labels('over', { uuid: 'u9' }), { imageId: 'commit' }],
      ['of-one-of-ours', helper, { imageId: 'ours', status: 'exited' }],
      ['a-helper', helper, { imageId: 'ours', status: 'created' }],
    ],
    {
      images: [
        ['commit', labels('over', { uuid: 'u9' })],
        ['ours', helper],
      ],
    },
  )
  expect(found).toEqual(['a-helper'])
})

test('what an operation has made that ends just now stays', async () => {
  expect(await left([['late', labels('going', { uuid: 'u2' })]], { endsAt: 'getMany' })).toEqual([])
})

const shared = labels('over', { role: 'snapshot', uuid: 'u0' })

test('a copied snapshot keeps its tag while its operation goes on and when that ends just now', async () => {
  const images: Circumstances['images'] = [[`windlass/snapshot:${COPY}`, shared]]
  expect(await left([], { images })).toEqual([])
  expect(await left([], { images, endsAt: 'getMany' })).toEqual([])
  expect(await left([], { images, endsAt: 'recent' })).toEqual([])
})

test('the tag of a snapshot whose operation has ended without it goes', async () => {
  expect(await left([], { images: [[`windlass/snapshot:${LOST}`, shared]] })).toEqual([`windlass/snapshot:${LOST}`])
})

test('nothing of a record that cannot be read is touched', async () => {
  const newer: Containers = [['of-a-newer-version', labels('over', { uuid: 'u7' })]]
  expect(await left(newer, { unreadable: 'u7' })).toEqual([])
  expect(await left(newer, { unreadable: 'u7', sinceListed: true })).toEqual([])
})

test('the last container of an instance whose own one is gone stays', async () => {
  expect(await left([['other', labels('over')]])).toEqual([])
})
