import { expect, test } from 'vitest'
import type { Config } from '../../../src/contract/common.ts'
import { limitOf, tooLow, usageOf } from '../../../src/services/project-room.ts'

const instance = (name: string, config: Config) => ({ uuid: name, name, config, devices: {}, profiles: [] })

test('a limit below what is there is refused', () => {
  const two = [instance('c1', {}), instance('c2', {})]
  expect(tooLow('shop', { 'limits.instances': '1' }, two)).toBe(
    '"limits.instances" is too low: there currently are 2 instances in project "shop"',
  )
  expect(tooLow('shop', { 'limits.instances': '2' }, two)).toBeUndefined()
})

test('limits that add up need a figure of every instance', () => {
  const limits = { 'limits.memory': '128MiB' }
  expect(() => tooLow('shop', limits, [instance('c1', {})])).toThrow(
    'Instance "c1" in project "shop" has no "limits.memory" config, either directly or via a profile',
  )
  expect(() => tooLow('shop', limits, [instance('c1', { 'limits.memory': '10%' })])).toThrow(/percentage/)
  expect(() => tooLow('shop', { 'limits.cpu': '4' }, [instance('c1', { 'limits.cpu': '0-1' })])).toThrow(/pinned/)
  const half = instance('c1', { 'limits.memory': '64MiB' })
  expect(tooLow('shop', limits, [half])).toBeUndefined()
  expect(tooLow('shop', limits, [half, { ...half, uuid: 'c2' }, { ...half, uuid: 'c3' }])).toMatch(
    /Reached maximum aggregate value "128MiB" for "limits.memory"/,
  )
})

test('usage counts plain figures, an unset limit is -1', () => {
  const instances = [
    instance('c1', { 'limits.memory': '64MiB', 'limits.cpu': '2' }),
    instance('c2', { 'limits.memory': '50%', 'limits.cpu': '0-3' }),
  ]
  expect(usageOf('limits.memory', instances)).toBe(64 * 2 ** 20)
  expect(usageOf('limits.cpu', instances)).toBe(2)
  expect(limitOf('limits.memory', { 'limits.memory': '1KiB' })).toBe(1024)
  expect(limitOf('limits.instances', {})).toBe(-1)
})
