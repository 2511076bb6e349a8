import { expect, test } from 'vitest'
import { checkVolumeConfig } from '../../../src/services/volume-config.ts'

test('keys of custom volumes are checked by name and value', () => {
  expect(() => checkVolumeConfig('v1', { size: '1GiB', 'security.shifted': 'true', 'user.a': 'b' })).not.toThrow()
  expect(() => checkVolumeConfig('v1', { nosuch: '1' })).toThrow('Invalid option for volume "v1" option "nosuch"')
  expect(() => checkVolumeConfig('v1', { size: 'much' })).toThrow(
    'Invalid value for volume "v1" option "size": Invalid value: much',
  )
})
