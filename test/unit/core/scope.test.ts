import { expect, test } from 'vitest'
import { scopeOf } from '../../../src/core/scope.ts'
import { alias, instance, lease, snapshot } from '../../ports/samples.ts'

test('names are unique in the project, the instance, the network or the deployment', () => {
  expect(scopeOf('instance', instance({ project: 'p' }))).toBe('p')
  expect(scopeOf('alias', alias({ project: 'p' }))).toBe('p')
  expect(scopeOf('snapshot', snapshot({ project: 'p', instance: 'u1' }))).toBe('u1')
  expect(scopeOf('lease', lease({ project: 'p', network: 'n1' }))).toBe('n1')
  const project = { v: 1, rev: 0, uuid: 'u', project: 'p', name: 'p', description: '', config: {} } as const
  expect(scopeOf('project', project)).toBe('')
})
