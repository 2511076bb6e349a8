import { describe, expect, test } from 'vitest'
import * as names from '../../../src/core/names.ts'

const at = new Date('2026-11-21T09:16:05.000Z')

describe('instance names', () => {
  test.each(['c', 'c1', 'a-b', 'X'.repeat(63)])('%s is fine', (name) => {
    expect(names.parseInstanceName(name)).toBe(name)
  })

  test.each([
    ['', 'Name must be 1-63 characters long'],
    ['x'.repeat(64), 'Name must be 1-63 characters long'],
    ['1c', 'Name must not start with a number'],
    ['-c', 'Name must not start with "-" character'],
    ['c-', 'Name must not end with "-" character'],
    ['c_1', 'Name can only contain alphanumeric and hyphen characters'],
    ['c/s', 'Name can only contain alphanumeric and hyphen characters'],
    ['c.lxd', 'Name can only contain alphanumeric and hyphen characters'],
    ['c\n', 'Name can only contain alphanumeric and hyphen characters'],
    ['ä', 'Name can only contain alphanumeric and hyphen characters'],
  ])('%j is refused in LXD words', (name, text) => {
    expect(() => names.parseInstanceName(name)).toThrow(`Invalid instance name: ${text}`)
  })
})

describe('other names', () => {
  test('a snapshot name has no slash', () => {
    expect(() => names.parseSnapshotName('a/b')).toThrow('Invalid snapshot name: Cannot contain "/"')
  })

  test.each(['', 'a b', '..', 'a\0b', 'x'.repeat(256)])('snapshot %j is refused', (name) => {
    expect(() => names.parseSnapshotName(name)).toThrow('Invalid snapshot name')
  })

  test.each(['docker', 'a/b', 'a_b', 'a b', '*', '-a', 'a..b', '.', ''])('project %j is refused', (name) => {
    expect(() => names.parseProjectName(name)).toThrow(/project name|Project names|No name/i)
  })

  test.each(['lo', 'docker0', 'host', 'a', 'x'.repeat(16), 'a/b', ''])('network %j is refused', (name) => {
    expect(() => names.parseNetworkName(name)).toThrow(/Invalid network name|No name/)
  })

  test('usual ones pass', () => {
    expect(names.parseProjectName('p1.x')).toBe('p1.x')
    expect(names.parseNetworkName('lxdbr0')).toBe('lxdbr0')
    expect(names.parseAliasName('ubuntu/24.04')).toBe('ubuntu/24.04')
    expect(names.parseProfileName('default')).toBe('default')
    expect(names.parseVolumeName('data')).toBe('data')
  })

  test('volumes, profiles and aliases refuse what LXD refuses', () => {
    expect(() => names.parseVolumeName('a/b')).toThrow('Invalid volume name: Cannot contain "/"')
    expect(() => names.parseProfileName('a/b')).toThrow('Profile names may not contain slashes')
    expect(() => names.parseProfileName('')).toThrow('No name provided')
    expect(() => names.parseAliasName('')).toThrow('name and target are required')
  })
})

test('the engine name carries the project unless it is the default one', () => {
  expect(names.dockerName('default', 'c1')).toBe('c1.lxd')
  expect(names.dockerName('p1', 'c1')).toBe('c1.p1.lxd')
})

describe('numbered snapshots', () => {
  test.each([
    ['snap%d', [], 'snap0'],
    ['snap%d', ['snap0', 'snap3', 'other', 'snapx'], 'snap4'],
    ['', ['snap0'], 'snap1'],
    ['auto-%d', ['snap0'], 'auto-0'],
    ['daily', [], 'daily'],
    ['daily', ['daily'], 'daily-0'],
    ['daily', ['daily', 'daily-0'], 'daily-1'],
    ["{{ creation_date|date:'2006-01-02_15-04-05' }}", [], '2026-11-21_09-16-05'],
    ['{{creation_date}}', [], '2026-11-21_09-16-05'],
  ])('%s after %j is %s', (pattern, existing, name) => {
    expect(names.snapshotNumberedName(pattern, existing, at)).toBe(name)
  })

  test('two numbers are one too many', () => {
    expect(() => names.snapshotNumberedName('%d-%d', [], at)).toThrow("Snapshot pattern may contain '%d' only once")
  })
})
