import { expect, test } from 'vitest'
import { compareIds, toLogEntry, toLogEvent } from '../../../src/redis/log-events.ts'

test('ids are ordered by time and then by count, as numbers', () => {
  const ids = ['1000-10', '1000-9', '999-100', '0-0']
  expect(ids.toSorted(compareIds)).toEqual(['0-0', '999-100', '1000-9', '1000-10'])
  expect(compareIds('5-1', '5-1')).toBe(0)
})

test('a type of a later version is left out', () => {
  const entry = toLogEntry(['1-0', ['n', '7', 'type', 'tomorrow', 'at', '5', 'project', 'p']])
  expect(entry).toMatchObject({ id: '1-0', n: 7 })
  expect(toLogEvent(entry)).toBeUndefined()
})

test('records come with the rev that the store set, removals without', () => {
  const changes =
    '[{"noun":"alias","rev":4,"record":{"v":1,"rev":3,"uuid":"u"}},{"noun":"alias","uuid":"w","removed":true}]'
  const flat = ['n', '1', 'type', 'record', 'at', '5', 'project', '', 'inv', '9', 'changes', changes, 'observed', '[]']
  expect(toLogEvent(toLogEntry(['1-0', flat]))).toEqual({
    id: '1-0',
    at: 5,
    project: '',
    type: 'record',
    inv: 9,
    changes: [
      { noun: 'alias', record: { v: 1, rev: 4, uuid: 'u' } },
      { noun: 'alias', uuid: 'w', removed: true },
    ],
    observed: [],
  })
})
