import { expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { ImageRecord, ProjectRecord } from '../../../src/contract/records.ts'
import type { RecordReader } from '../../../src/core/ports.ts'
import { createAliases } from '../../../src/services/aliases.ts'
import { SERVER } from '../../../src/services/caller.ts'
import type { Writing } from '../../../src/services/writes.ts'
import { alias } from '../../ports/samples.ts'
import { absent } from '../../support/absent.ts'

const BEGUN: ProjectRecord = { v: 1, rev: 3, uuid: 'p', project: '', name: 'shop', description: '', config: {} }

/** Aliases of the project `shop`, which is like `now` when its image has been found; what is written. */
function aliasesOf(now: ProjectRecord) {
  const written: Writing[] = []
  const aliases = createAliases({
    records: absent<RecordReader>('records', {
      find: (async (noun: string) => (noun === 'project' ? BEGUN : alias())) as RecordReader['find'], // what is asked for
      get: (async () => now) as RecordReader['get'], // the project is asked for
    }),
    lookup: {
      get: async () => ({ record: { uuid: 'i', rev: 7, name: 'f', project: 'shop' } as ImageRecord, aliases: [] }), // all that is read
    },
    write: async (_caller, asked) => {
      written.push(typeof asked === 'function' ? await asked() : asked)
    },
    clock: systemClock,
  })
  return { aliases, written }
}

const image = { change: 'keep', noun: 'image', uuid: 'i', rev: 7 }

test('an alias is made of an image that stays, in a project that has its images where it had them', async () => {
  const { aliases, written } = aliasesOf({ ...BEGUN, rev: 4 })
  await aliases.create(SERVER, 'shop', { name: 'a1', target: 'f' })
  expect(written).toMatchObject([
    {
      changes: [
        { change: 'put', noun: 'alias', record: { name: 'a1', project: 'shop', target: 'f' } },
        { change: 'keep', noun: 'project', uuid: 'p', rev: 4 },
        image,
      ],
      unlessBusy: ['image:i'],
    },
  ])
})

test.each([
  ['that has its images elsewhere by now', { ...BEGUN, config: { 'features.images': 'false' } }, 'conflict'],
  ['that is called otherwise by now', { ...BEGUN, name: 'store' }, 'not-found'],
])('no alias is made in a project %s', async (_how, now, code) => {
  const { aliases, written } = aliasesOf(now)
  await expect(aliases.create(SERVER, 'shop', { name: 'a1', target: 'f' })).rejects.toMatchObject({ code })
  expect(written).toEqual([])
})

test('an alias is led to an image that stays, and may be described whatever becomes of its image', async () => {
  const { aliases, written } = aliasesOf(BEGUN)
  await aliases.patch(SERVER, { project: 'shop', name: 'a1' }, { target: 'f' })
  await aliases.patch(SERVER, { project: 'shop', name: 'a1' }, { description: 'new' })
  expect(written.map(({ changes, unlessBusy }) => [changes.slice(1), unlessBusy])).toEqual([
    [[image], ['image:i']],
    [[], undefined],
  ])
})
