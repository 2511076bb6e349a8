import { expect, test } from 'vitest'
import type { NicknameRecord, RecordOf } from '../../../src/contract/records.ts'
import type { Noun } from '../../../src/contract/records.ts'
import type { ContainerDetail, ContainerSummary } from '../../../src/core/container.ts'
import type { Engine } from '../../../src/core/engine.ts'
import { unavailable } from '../../../src/core/failure.ts'
import type { RecordStore } from '../../../src/core/ports.ts'
import { createForgottenNames } from '../../../src/services/forgotten-names.ts'
import type { Inventory } from '../../../src/services/inventory.ts'
import { absent } from '../../support/absent.ts'

const MINUTE = 60_000

function nickname(name: string, project: string, instance: string): NicknameRecord {
  return { v: 1, rev: 1, uuid: `uuid-${name}`, project, name, dialect: 'vz', instance }
}

/** The looks of three minutes at names of these containers; those whose names are freed. */
async function freed({ inventory = [], engine = [] }: { inventory?: string[]; engine?: string[] | 'away' }) {
  let [now, looks] = [0, 0]
  let names = [
    nickname('101', 'docker', 'gone'),
    nickname('102', 'docker', 'unseen'),
    nickname('103', 'docker', 'seen'),
    nickname('104', 'default', 'ours'),
  ]
  const done: string[] = []
  const containers = absent<Engine['containers']>('containers', {
    inspect: async (id) => {
      looks += 1
      if (engine === 'away') throw unavailable('The engine does not answer')
      return engine.includes(id) ? ({} as ContainerDetail) : undefined // it is there, nothing is read
    },
  })
  const look = createForgottenNames({
    records: absent<RecordStore>('records', {
      list: async <N extends Noun>() => names as RecordOf<N>[], // only nicknames are asked for
      write: async ({ changes }) => {
        const gone = changes.map((change) => (change.change === 'remove' ? change.uuid : ''))
        done.push(...names.filter(({ uuid }) => gone.includes(uuid)).map(({ instance }) => instance))
        names = names.filter(({ uuid }) => !gone.includes(uuid))
        return { outcome: 'written' }
      },
    }),
    engines: new Map([['local', absent<Engine>('engine', { containers })]]),
    inventory: absent<Inventory>('inventory', {
      members: ['local'],
      container: (_member, id) => (inventory.includes(id) ? ({} as ContainerSummary) : undefined), // it is there, nothing is read
    }),
    clock: { now: () => now, uuid: () => '', operationId: () => '' },
  })
  for (; now <= 3 * MINUTE; now += MINUTE / 4) await look().catch(() => undefined)
  return { done, looks }
}

test('the name of a container made by others is free when its engine says that it is gone', async () => {
  expect((await freed({ inventory: ['seen'], engine: ['seen', 'unseen'] })).done).toEqual(['gone'])
})

test('it is kept while an engine does not say so', async () => {
  expect((await freed({ inventory: [], engine: 'away' })).done).toEqual([])
})

test('what is seen is not asked for, and nothing more than once a minute', async () => {
  const everything = ['gone', 'unseen', 'seen']
  expect(await freed({ inventory: everything })).toEqual({ done: [], looks: 0 })
  expect((await freed({ inventory: ['seen', 'gone'], engine: everything })).looks).toBe(3)
})
