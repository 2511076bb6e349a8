import { expect, test } from 'vitest'
import { outsideChange, withPower, withTold } from '../../../src/core/outside-change.ts'
import type { InstanceRecord } from '../../../src/contract/records.ts'

const record = { project: 'default', name: 'c1', container: 'abc', power: 'running' } as InstanceRecord // the rest does not matter
const running = { status: 'running', name: 'c1.lxd' } as const

test('what a record says already is no news', () => {
  expect(outsideChange(record, running)).toBeUndefined()
  expect(outsideChange({ ...record, container: '' }, undefined)).toBeUndefined()
  expect(outsideChange(withTold(record, 'frozen'), { ...running, status: 'paused' })).toBeUndefined()
  expect(outsideChange(withTold(record, 'gone'), undefined)).toBeUndefined()
  expect(outsideChange(record, { ...running, status: 'exited' })).toBeUndefined()
})

test('what it does not say is', () => {
  expect(outsideChange(record, { ...running, status: 'paused' })).toBe('frozen')
  expect(outsideChange(withTold(record, 'frozen'), running)).toBe('thawed')
  expect(outsideChange(record, undefined)).toBe('gone')
  expect(outsideChange(withTold(record, 'gone'), running)).toBe('back')
  expect(outsideChange({ ...record, power: 'stopped' }, running)).toBe('started')
  expect(outsideChange(record, { ...running, name: 'op-1' })).toBe('renamed')
  expect(outsideChange({ ...record, project: 'far' }, { ...running, name: 'c1.far.lxd' })).toBeUndefined()
})

test('what was told of another container says nothing of this one', () => {
  const before = withTold(record, 'gone')
  expect(outsideChange({ ...before, container: 'def' }, undefined)).toBe('gone')
  expect(outsideChange({ ...before, container: 'def' }, running)).toBeUndefined()
  expect(withPower(before, 'stopped')).toEqual({ ...record, power: 'stopped' })
})
