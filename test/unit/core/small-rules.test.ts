import { describe, expect, test } from 'vitest'
import { engineArchitecture, lxdArchitecture, runnableArchitectures } from '../../../src/core/architecture.ts'
import { checkIfMatch, etagOf } from '../../../src/core/etag.ts'
import { execDirectory, execEnvironment } from '../../../src/core/exec-environment.ts'
import { imageConfig, imagePropertiesOf, parseImageProperties } from '../../../src/core/image-properties.ts'
import { limitsOfType } from '../../../src/core/instance-type.ts'
import { isFinal, operationStatus, statesOf } from '../../../src/core/operation-states.ts'

test('architectures have two names', () => {
  expect(lxdArchitecture('amd64')).toBe('x86_64')
  expect(lxdArchitecture('x86_64')).toBe('x86_64')
  expect(lxdArchitecture('arm64')).toBe('aarch64')
  expect(lxdArchitecture('vax')).toBe('vax')
  expect(engineArchitecture('aarch64')).toBe('arm64')
  expect(engineArchitecture('s390x')).toBe('s390x')
  expect(runnableArchitectures('amd64')).toEqual(['x86_64', 'i686'])
})

describe('If-Match', () => {
  const etag = etagOf('u', 3)

  test.each([undefined, '', etag, `"${etag}"`, `W/"${etag}"`, '*', `"a", "${etag}"`])('%j passes', (header) => {
    expect(() => checkIfMatch(header, etag)).not.toThrow()
  })

  test('another one is told apart in LXD words', () => {
    expect(() => checkIfMatch('"wrong"', etag)).toThrow(
      expect.objectContaining({ code: 'precondition-failed', message: `ETag doesn't match: ${etag} vs wrong` }),
    )
  })

  test('changes with each write', () => {
    expect(etagOf('u', 4)).not.toBe(etag)
  })
})

describe('the environment of an exec', () => {
  const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

  test("root gets LXD's defaults", () => {
    expect(execEnvironment({ config: {}, request: {}, user: 0 })).toEqual({
      PATH,
      HOME: '/root',
      USER: 'root',
      LANG: 'C.UTF-8',
    })
  })

  test('others get no home', () => {
    expect(execEnvironment({ config: {}, request: { A: '1' }, user: 7 })).toEqual({ A: '1', PATH, LANG: 'C.UTF-8' })
  })

  test('the request wins over the config, the config over defaults and the container', () => {
    const merged = execEnvironment({
      config: { 'environment.A': 'config', 'environment.B': 'config', 'environment.LANG': 'C', 'user.x': '1' },
      request: { A: 'request' },
      user: 0,
      container: { PATH: '/go/bin', LANG: 'de', SECRET: 'x' },
    })
    expect(merged).toEqual({ A: 'request', B: 'config', LANG: 'C', PATH: '/go/bin', HOME: '/root', USER: 'root' })
  })

  test('starts at home', () => {
    expect(execDirectory('', { HOME: '/root' })).toBe('/root')
    expect(execDirectory('', {})).toBe('/')
    expect(execDirectory('/srv', { HOME: '/root' })).toBe('/srv')
  })
})

describe('image properties', () => {
  test('are URL-encoded in the header', () => {
    expect(parseImageProperties('os=busybox&description=Tiny+image%21&os=late')).toEqual({
      os: 'busybox',
      description: 'Tiny image!',
    })
    expect(parseImageProperties(undefined)).toEqual({})
    expect(() => parseImageProperties('=x')).toThrow('Invalid image properties')
  })

  test('go to an instance and come back', () => {
    const config = imageConfig({ os: 'busybox', 'requirements.cgroup': 'v2' })
    expect(config).toEqual({ 'image.os': 'busybox', 'image.requirements.cgroup': 'v2' })
    expect(imagePropertiesOf({ ...config, 'user.a': '1' })).toEqual({ os: 'busybox', 'requirements.cgroup': 'v2' })
  })
})

describe('operation states', () => {
  const by = { username: 'u', protocol: 'unix', address: '@' } as const
  const cancel = { by, at: 1 }

  test.each([
    ['pending', null, 'Pending', 105],
    ['running', null, 'Running', 103],
    ['running', cancel, 'Cancelling', 104],
    ['success', cancel, 'Success', 200],
    ['failure', null, 'Failure', 400],
    ['cancelled', cancel, 'Cancelled', 401],
  ] as const)('%s %j is %s', (state, asked, status, code) => {
    expect(operationStatus({ state, cancel: asked, place: 'worker' })).toEqual({ status, code })
    expect(isFinal(state)).toBe(code >= 200)
  })

  test('a token that waits to be used is running', () => {
    expect(operationStatus({ state: 'pending', cancel: null, place: 'store' })).toEqual({
      status: 'Running',
      code: 103,
    })
  })

  test('are found by their text', () => {
    expect(statesOf('Success')).toEqual(['success'])
    expect(statesOf('cancelling')).toEqual(['pending', 'running'])
    expect(statesOf('nosuch')).toBeUndefined()
  })
})

describe('sizes in words', () => {
  test.each([
    ['', {}],
    ['c1-m1', { 'limits.cpu': '1', 'limits.memory': '1024MB' }],
    ['m0.5-c1.5', { 'limits.cpu': '2', 'limits.cpu.allowance': '75%', 'limits.memory': '512MB' }],
    ['c2', { 'limits.cpu': '2' }],
  ])('%s', (name, limits) => {
    expect(limitsOfType(name)).toEqual(limits)
  })

  test.each(['t2.micro', 'c1-', 'c-m1', 'c1-x2', 'aws:t2.micro'])('%s is none', (name) => {
    expect(() => limitsOfType(name)).toThrow(`Provided instance type doesn't exist: ${name}`)
  })
})
