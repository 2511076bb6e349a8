import { expect, test } from 'vitest'
import type { OperationRecord } from '../../../src/contract/operation-record.ts'
import type { OwnLabels } from '../../../src/core/container.ts'
import type { Engine } from '../../../src/core/engine.ts'
import type { OperationStore, RecordReader } from '../../../src/core/ports.ts'
import { createLeftovers } from '../../../src/services/leftovers.ts'
import { absent } from '../../support/absent.ts'
import { instance, snapshot } from '../../ports/samples.ts'

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

const states: Record<string, OperationRecord['state']> = { over: 'success', failed: 'failure', going: 'running' }

/** What one look removes. `lateEnd`: the operation `going` ends, and its record appears, while the look goes on. */
async function swept(engine: Engine, { lateEnd = false } = {}): Promise<string[]> {
  let isOver = false
  const lists = {
    instance: () => [instance({ uuid: 'u1', container: 'kept', volumes: [{ path: '/a', volume: 'v-kept' }] })],
    late: () => (isOver ? [instance({ uuid: 'u2', container: 'late' })] : []),
    snapshot: () => [snapshot({ uuid: 'u3', instance: 'u1', volumes: [{ path: '/a', volume: 'v-snapshot' }] })],
  }
  const removed: string[] = []
  const look = createLeftovers({
    records: absent<RecordReader>('records', {
      list: (async (noun: string) => {
        if (noun === 'instance') return [...lists.instance(), ...lists.late()]
        return noun === 'snapshot' ? lists.snapshot() : []
      }) as RecordReader['list'], // the nouns that are asked for
    }),
    store: absent<OperationStore>('store', {
      getMany: async (ids) => {
        isOver ||= lateEnd
        const known = ids.filter((id) => id in states)
        return known.map((id) => ({
          id,
          state: isOver && id === 'going' ? 'success' : states[id],
        })) as OperationRecord[] // what is read
      },
    }),
    engines: new Map([['local', engine]]),
    inventory: { member: () => ({ online: true, since: 0 }) },
    clock: { now: () => 1_000_000, uuid: () => '', operationId: () => '' },
    onRemoved: (what) => removed.push(what),
  })
  await look()
  await look()
  return removed
}

function engineWith(parts: {
  containers?: [string, OwnLabels | undefined][]
  volumes?: [string, OwnLabels | undefined][]
  tags?: string[]
  inUse?: string[]
}): Engine {
  const { containers = [], volumes = [], tags = [], inUse = [] } = parts
  const outcome = (name: string) => (inUse.includes(name) ? 'in-use' : 'removed')
  return absent<Engine>('engine', {
    containers: absent<Engine['containers']>('containers', {
      find: (async () => containers.map(([id, own]) => ({ id, own }))) as unknown as Engine['containers']['find'], // what is read
      remove: async () => undefined,
    }),
    volumes: absent<Engine['volumes']>('volumes', {
      find: async () => volumes.map(([name, own]) => ({ name, own, labels: {}, created: 0 })),
      remove: async (name) => outcome(name),
    }),
    images: absent<Engine['images']>('images', {
      list: (async () => [{ tags }]) as unknown as Engine['images']['list'], // what is read
      untag: async (tag) => outcome(tag),
    }),
  })
}

test('only what an ended operation has left and no record points to goes', async () => {
  const engine = engineWith({
    containers: [
      ['kept', labels('over')],
      ['old', labels('over')],
      ['half', labels('failed', { uuid: 'u9' })],
      ['helper', labels('failed', { role: 'helper' })],
      ['in-work', labels('going')],
      ['of-an-unknown-operation', labels('forgotten')],
      ['of-no-operation', labels('')],
      ['foreign', undefined],
    ],
    volumes: [
      ['v-kept', labels('over', { role: 'volume' })],
      ['v-snapshot', labels('over', { role: 'snapshot' })],
      ['v-output', labels('over', { role: 'output' })],
      ['v-output-of-none', labels('over', { role: 'output', uuid: 'u9' })],
      ['v-half', labels('failed', { role: 'volume' })],
      ['v-used', labels('failed', { role: 'volume' })],
      ['v-in-work', labels('going', { role: 'volume' })],
    ],
    tags: [
      'windlass/operation:over',
      'windlass/operation:failed',
      'windlass/operation:going',
      'windlass/operation:forgotten',
      'windlass/kept:u3',
      'windlass/kept:u9',
      'windlass/snapshot:u9',
      'other/operation:over',
    ],
    inUse: ['v-used', 'windlass/operation:failed'],
  })
  expect(await swept(engine)).toEqual([
    'container old',
    'container half',
    'container helper',
    'volume v-output-of-none',
    'volume v-half',
    'tag windlass/operation:over',
    'tag windlass/kept:u9',
  ])
})

test('what an operation has made that ends just now stays', async () => {
  const engine = engineWith({ containers: [['late', labels('going', { uuid: 'u2' })]] })
  expect(await swept(engine, { lateEnd: true })).toEqual([])
})
