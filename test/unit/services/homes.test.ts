import { expect, test } from 'vitest'
import type { ProjectRecord } from '../../../src/contract/records.ts'
import type { RecordReader } from '../../../src/core/ports.ts'
import { keepFeatures } from '../../../src/services/homes.ts'

const begun: ProjectRecord = { v: 1, rev: 3, uuid: 'p', project: '', name: 'shop', description: '', config: {} }

/** What goes with a request that found the project as above, where it is like this by now. */
function kept(now: ProjectRecord | undefined) {
  const get = (async () => now) as RecordReader['get'] // the project is asked for
  return keepFeatures({ get }, begun)
}

test('a project stays as it was when a request began, whatever else is changed', async () => {
  expect(await kept({ ...begun, rev: 4, description: 'new' })).toEqual([
    { change: 'keep', noun: 'project', uuid: 'p', rev: 4 },
  ])
  await expect(kept({ ...begun, config: { 'features.images': 'false' } })).rejects.toMatchObject({ code: 'conflict' })
})

test('nothing is made in a project that is gone, or called otherwise by now', async () => {
  await expect(kept(undefined)).rejects.toMatchObject({ code: 'not-found' })
  await expect(kept({ ...begun, name: 'store' })).rejects.toMatchObject({ code: 'not-found' })
})
