import { expect, test } from 'vitest'
import type { OwnLabels } from '../../../src/core/container.ts'
import { fromDockerLabels, labelFilter, toDockerLabels } from '../../../src/engine/docker/labels.ts'

const own: OwnLabels = {
  deployment: 'd1',
  role: 'instance',
  uuid: 'u1',
  project: 'default',
  operation: 'o1',
  step: 'make',
  origin: '{"a":1}',
}

test('labels come back as they were', () => {
  expect(fromDockerLabels({ ...toDockerLabels(own), other: 'x' }, 'container', 'd1')).toEqual(own)
  expect(fromDockerLabels(toDockerLabels({ ...own, origin: '', step: '' }), 'container', 'd1')?.origin).toBe('')
})

test('an object is ours only with every label, our deployment and a role of its kind', () => {
  const labels = toDockerLabels(own)
  for (const key of Object.keys(labels)) {
    const { [key]: _, ...rest } = labels
    expect(fromDockerLabels(rest, 'container', 'd1')).toBeUndefined()
  }
  expect(fromDockerLabels(labels, 'container', 'd2')).toBeUndefined()
  expect(fromDockerLabels({ ...labels, 'windlass.uuid': '' }, 'container', 'd1')).toBeUndefined()
  expect(fromDockerLabels({ ...labels, 'windlass.role': 'king' }, 'container', 'd1')).toBeUndefined()
})

test('inherited labels make nothing ours', () => {
  expect(fromDockerLabels(toDockerLabels({ ...own, role: 'snapshot' }), 'container', 'd1')).toBeUndefined()
  expect(fromDockerLabels(toDockerLabels({ ...own, role: 'image' }), 'container', 'd1')).toBeUndefined()
  expect(fromDockerLabels(toDockerLabels(own), 'image', 'd1')).toBeUndefined()
})

test('a filter names keys with their values, our deployment always among them', () => {
  expect(JSON.parse(labelFilter({ uuid: 'u1', step: '' }, 'd1'))).toEqual({
    label: ['windlass.deployment=d1', 'windlass.uuid=u1', 'windlass.step='],
  })
})
