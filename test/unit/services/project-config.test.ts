import { expect, test } from 'vitest'
import { projectConfig } from '../../../src/services/project-config.ts'

const OWN = { 'features.images': 'true', 'features.profiles': 'true', 'features.storage.volumes': 'true' }

test('a project has its own images, profiles and volumes, and what its maker wrote', () => {
  const written = { 'limits.memory': '1GiB', 'limits.instances': '3', 'user.a': 'b', 'user.empty': '' }
  expect(projectConfig('shop', written)).toEqual({
    ...OWN,
    'limits.memory': '1GiB',
    'limits.instances': '3',
    'user.a': 'b',
  })
  expect(projectConfig('default', {})).toEqual({ ...OWN, 'features.networks': 'true' })
})

test.each([
  [{ nosuch: '1' }, 'Invalid project configuration key "nosuch"'],
  [{ 'limits.instances': '-1' }, /"limits.instances" value: Invalid value "-1"/],
  [{ 'limits.memory': '50%' }, /Value can't be a percentage/],
  [{ 'limits.disk': '1GiB' }, /cannot limit the space/],
  [{ 'features.images': 'perhaps' }, /Invalid value for a boolean "perhaps"/],
  [{ 'features.storage.buckets': 'true' }, /not possible on Docker Engine/],
  [{ 'limits.networks': '1' }, /shared by all projects/],
  [{ restricted: 'maybe' }, /Invalid value for a boolean "maybe"/],
  [{ 'restricted.containers.nesting': 'perhaps' }, /not one of \[block allow\]/],
  [{ 'restricted.containers.privilege': 'isolated' }, /no id map per instance/],
  [{ 'restricted.networks.uplinks': 'x' }, /Not possible on Docker Engine/],
  [{ 'backups.compression_algorithm': 'sh -c reboot' }, /not one of/],
])('refuses %j', (config, text) => {
  expect(() => projectConfig('shop', config)).toThrow(text)
})

test('features of the default project stay as they are', () => {
  expect(() => projectConfig('default', { 'features.networks': 'false' })).toThrow(
    "You can't change the features of the default project",
  )
})

test('features that are not named stay as they are', () => {
  const shared = { ...OWN, 'features.profiles': 'false' }
  expect(projectConfig('shop', { 'features.profiles': 'false' })).toEqual(shared)
  expect(projectConfig('shop', { 'user.a': 'b' }, shared)).toEqual({ ...shared, 'user.a': 'b' })
  expect(projectConfig('shop', { 'features.profiles': 'true' }, shared)).toEqual(OWN)
})
