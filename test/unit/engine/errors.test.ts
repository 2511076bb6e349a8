import { expect, test } from 'vitest'
import { Failure, unprocessable } from '../../../src/core/failure.ts'
import { connectionFailure, refusal } from '../../../src/engine/docker/errors.ts'

const engine = { member: 'm1', address: '/run/x.sock' }

test.each([
  [400, '{"message":"bad thing"}', 'bad-request', 'Failed doing it: bad thing'],
  [404, '{"message":"No such container: a"}', 'not-found', 'Failed doing it: No such container: a'],
  [409, '{"message":"busy"}', 'conflict', 'Failed doing it: busy'],
  [
    500,
    '{"message":"driver failed: Bind for 0.0.0.0:80 failed: port is already allocated"}',
    'conflict',
    'Failed to listen on 0.0.0.0:80: address already in use',
  ],
  [
    500,
    '{"message":"driver failed on endpoint a (1f): Error starting userland proxy: listen tcp6 [::1]:80: bind: address already in use"}',
    'conflict',
    'Failed to listen on [::1]:80: address already in use',
  ],
  [
    500,
    '{"message":"failed to bind host port for 0.0.0.0:80:172.17.0.2:8080/tcp: address already in use"}',
    'conflict',
    'Failed to listen on 0.0.0.0:80: address already in use',
  ],
  [
    500,
    '{"message":"Error starting userland proxy: listen tcp4 192.0.2.1:80: bind: cannot assign requested address"}',
    'bad-request',
    'Failed to listen on 192.0.2.1:80: cannot assign requested address',
  ],
  [
    500,
    '{"message":"error gathering device information while adding custom device \\"/dev/x\\": no such file or directory"}',
    'bad-request',
    'The host has no device "/dev/x" any more: bring it back, or remove it from the instance',
  ],
  [
    400,
    '{"message":"failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: unable to apply caps: operation not permitted: unknown"}',
    'unsupported',
    'Docker Engine itself lacks a right that the instance is to have (unable to apply caps: operation not permitted): run the engine with all capabilities, or unset security.privileged or security.nesting',
  ],
  [
    400,
    '{"message":"invalid CapAdd: capability not supported by your kernel or not available in the current environment: \\"CAP_SYS_ADMIN\\""}',
    'unsupported',
    'Docker Engine itself lacks a right that the instance is to have (capability not supported by your kernel or not available in the current environment: "CAP_SYS_ADMIN"): run the engine with all capabilities, or unset security.privileged or security.nesting',
  ],
  [403, '{"message":"Address already in use"}', 'conflict', 'Failed doing it: Address already in use'],
  [
    403,
    '{"message":"Pool overlaps with other one on this address space"}',
    'conflict',
    'Failed doing it: Pool overlaps with other one on this address space',
  ],
  [403, '{"message":"not allowed by plugin"}', 'bad-request', 'Failed doing it: not allowed by plugin'],
  [
    400,
    '{"message":"client version 1.41 is too old. Minimum supported API version is 1.44"}',
    'unsupported',
    'Failed doing it: client version 1.41 is too old. Minimum supported API version is 1.44',
  ],
  [500, 'plain words', 'internal', 'Failed doing it: plain words'],
  [503, '', 'unavailable', 'Failed doing it: status 503'],
])('status %i with %s is %s', (status, body, code, message) => {
  const failure = refusal('doing it', status, body)
  expect(failure).toBeInstanceOf(Failure)
  expect(failure.code).toBe(code)
  expect(failure.message).toBe(message)
})

test.each([
  ['ENOENT', 'there is no socket at /run/x.sock; start Docker'],
  ['ECONNREFUSED', 'nothing answers at /run/x.sock; start Docker'],
  ['EACCES', 'group that owns the socket'],
  ['ECONNRESET', 'was lost'],
  ['ENOTFOUND', 'check DOCKER_HOST'],
])('a connection that fails with %s says what to do', (code, advice) => {
  const failure = connectionFailure(Object.assign(new Error('x'), { code }), engine, 'listing containers')
  expect(failure).toMatchObject({ code: 'unavailable', retryAfter: 5 })
  expect(failure.message).toContain('member "m1"')
  expect(failure.message).toContain(advice)
})

test('what hangs up is unavailable, what is a Failure stays one, the rest keeps its words inside', () => {
  expect(connectionFailure(new Error('socket hang up'), engine, 'a').code).toBe('unavailable')
  expect(connectionFailure(unprocessable('mine'), engine, 'a')).toMatchObject({
    code: 'unprocessable',
    message: 'mine',
  })
  const bug = connectionFailure(new TypeError('x is not a function'), engine, 'listing')
  expect(bug).toMatchObject({ code: 'internal', message: 'Failed listing' })
})
