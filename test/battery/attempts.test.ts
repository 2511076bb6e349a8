import { expect, test } from 'vitest'
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import { judgeAttempts, type Evidence } from './attempts.ts'
import type { Reached } from './run.ts'

const ID = '019a0000-0000-7000-8000-000000000000'
const LOST = `could not renew lock for job op-${ID}`

const operation = { id: ID, attempts: 3 } as OperationRecord // what the judgement reads of it
const reached = (worker: number, attempt: number, at: number): Reached => ({ worker, attempt, at, point: 'p' })
/** Worker 1 was killed at 1 s; worker 2 took over and did not die; worker 3 began at 9 s. */
const points = [reached(1, 1, 1_000), reached(2, 2, 4_000), reached(3, 3, 9_000), reached(3, 3, 9_500)]
const deaths = [reached(1, 1, 1_000)]

function judge(said: string, standstills: Evidence['standstills'] = []): { faults: number; lost: number } {
  const output = (pid: number): string => (pid === 2 ? said : '')
  const { faults, lost } = judgeAttempts({ operation, points }, deaths, { output, standstills, lock: 2_000 })
  return { faults: faults.length, lost: lost.length }
}

/** As a worker writes it. */
const still = (ms: number, until: number, busy: number): string =>
  `stood still for ${ms} ms until ${Math.round(until + performance.timeOrigin)}, at work for ${busy} ms of them\n`

test('an attempt after a lost lock is explained where something stood still for long enough before it', () => {
  const explained = { faults: 0, lost: 1 }
  expect(judge(still(1_800, 6_500, 100) + LOST)).toEqual(explained)
  expect(judge(LOST, [{ where: 'relays', until: 6_500, ms: 1_500 }])).toEqual(explained)
  expect(
    judge(
      LOST,
      [600, 700].map((ms, at) => ({ where: 'redis', until: 5_000 + at * 1_000, ms })),
    ),
  ).toEqual(explained)
})

test('an attempt that no death and no standstill explains is a fault', () => {
  const fault = { faults: 1, lost: 0 }
  // Nothing is said of a lock.
  expect(judge(still(1_800, 6_500, 100))).toEqual(fault)
  expect(judge('', [{ where: 'redis', until: 6_500, ms: 1_500 }])).toEqual(fault)
  // It blocked itself.
  expect(judge(still(1_800, 6_500, 1_700) + LOST)).toEqual(fault)
  // Long before, and afterwards.
  expect(judge(LOST, [{ where: 'relays', until: 2_000, ms: 1_500 }])).toEqual(fault)
  expect(judge(LOST, [{ where: 'relays', until: 11_000, ms: 1_500 }])).toEqual(fault)
  // Too short for a lock.
  expect(judge(LOST, [{ where: 'relays', until: 6_500, ms: 700 }])).toEqual(fault)
  expect(judge(LOST)).toEqual(fault)
})

test('attempts after deaths alone are explained by them', () => {
  const both = [...deaths, reached(2, 2, 4_000)]
  const nothing: Evidence = { output: () => '', standstills: [], lock: 2_000 }
  expect(judgeAttempts({ operation, points }, both, nothing)).toEqual({ faults: [], lost: [] })
  const more = { ...operation, attempts: 4 }
  expect(judgeAttempts({ operation: more, points }, both, nothing).faults).toHaveLength(1)
})
