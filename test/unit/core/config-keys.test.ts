import { describe, expect, test } from 'vitest'
import * as keys from '../../../src/core/config-keys.ts'

describe('checkInstanceConfig', () => {
  test.each([
    ['user.anything', 'x'],
    ['image.os', 'busybox'],
    ['environment.FOO', 'bar'],
    ['limits.cpu', '2'],
    ['limits.cpu', '0-1,3'],
    ['limits.cpu.allowance', '50%'],
    ['limits.cpu.allowance', '25ms/100ms'],
    ['limits.memory', '128MiB'],
    ['limits.memory', '50%'],
    ['limits.memory.swap', 'false'],
    ['limits.memory.swap', '1GiB'],
    ['limits.processes', '100'],
    ['boot.autostart', 'yes'],
    ['boot.autostart.priority', '-1'],
    ['security.protection.delete', '1'],
    ['security.idmap.isolated', 'false'],
    ['snapshots.schedule', '@hourly'],
    ['snapshots.schedule', '0 6 * * *'],
    ['snapshots.expiry', '1d 2H'],
    ['raw.docker.command', `sh -c 'sleep 1'`],
    ['raw.docker.stop-signal', 'SIGRTMIN+3'],
    ['raw.docker.stop-signal', 'TERM'],
    ['volatile.eth0.hwaddr', '00:16:3e:67:f3:de'],
    ['volatile.eth0.last_state.created', 'false'],
    ['volatile.last_state.power', 'RUNNING'],
    ['linux.kernel_modules', 'ip_tables'],
    ['limits.kernel.nofile', '1024'],
    ['cluster.evacuate', 'auto'],
    ['cloud-init.user-data', '#cloud-config'],
    ['limits.cpu', ''],
    ['raw.lxc', ''],
  ])('%s=%s is taken', (key, value) => {
    expect(() => keys.checkInstanceConfig({ [key]: value })).not.toThrow()
  })

  test.each([
    ['no.such.key', '1', 'Unknown configuration key: no.such.key'],
    ['volatile.foo', '1', 'Unknown configuration key: volatile.foo'],
    ['user.', '1', 'Unknown configuration key: user.'],
    ['raw.docker.caps', '1', 'Unknown configuration key: raw.docker.caps'],
    ['toString', '1', 'Unknown configuration key: toString'],
    ['environment.A=B', '1', 'Unknown configuration key: environment.A=B'],
    ['limits.cpu', 'abc', 'Invalid CPU limit syntax'],
    ['limits.cpu', '3-1', 'Invalid CPU limit syntax'],
    ['limits.cpu', '0', 'Invalid CPU limit syntax'],
    ['limits.memory', 'abc', 'Invalid value: abc'],
    ['limits.memory', '1MB', 'Memory limit must be at least'],
    ['limits.memory', '0%', "Memory limit can't be 0%"],
    ['limits.cpu.allowance', '0%', 'Invalid allowance: 0%'],
    ['limits.cpu.allowance', '25/100', 'Invalid allowance: 25/100'],
    ['limits.processes', 'many', 'Invalid value for an integer "many"'],
    ['boot.autostart', 'perhaps', 'Invalid value for a boolean "perhaps"'],
    ['snapshots.expiry', 'soon', 'Invalid expiry expression'],
    ['snapshots.schedule', 'hourly', 'Schedule must be of the form'],
    ['raw.docker.command', `sh 'x`, 'Unterminated quote'],
    ['raw.docker.workdir', 'tmp', 'Path must be absolute'],
    ['raw.docker.stop-signal', 'please', 'Invalid signal "please"'],
    ['raw.docker.stop-signal', 'SIGFOO', 'Invalid signal "SIGFOO"'],
    ['raw.docker.stop-signal', 'SIGRTMIN+16', 'Invalid signal "SIGRTMIN+16"'],
    ['raw.docker.stop-signal', '65', 'Invalid signal "65"'],
    ['environment.A', 'a\0b', 'NUL'],
    ['raw.lxc', 'lxc.x = 1', 'no meaning on Docker Engine'],
    ['raw.idmap', 'both 1000 1000', 'no id map per instance'],
    ['security.idmap.isolated', 'true', 'no id map per instance'],
    ['security.syscalls.deny', 'mount', 'not possible on Docker Engine'],
    ['volatile.eth0.hwaddr', '01:00:00:00:00:00', 'unicast'],
  ])('%s=%s is refused', (key, value, text) => {
    expect(() => keys.checkInstanceConfig({ [key]: value })).toThrow(
      expect.objectContaining({ code: 'bad-request', message: expect.stringContaining(text) }),
    )
  })

  test('the prefix comes first, as LXD says it of an update', () => {
    expect(() => keys.checkInstanceConfig({ 'limits.cpu': 'x' }, 'Invalid config: ')).toThrow(
      'Invalid config: Invalid CPU limit syntax',
    )
  })
})

test('a profile has neither volatile nor image keys', () => {
  expect(() => keys.checkProfileConfig({ 'volatile.uuid': 'x' })).toThrow('Volatile keys can only be set on instances')
  expect(() => keys.checkProfileConfig({ 'image.os': 'x' })).toThrow('Image keys can only be set on instances')
  expect(() => keys.checkProfileConfig({ 'limits.memory': '1GB' })).not.toThrow()
})

describe('how a change takes effect', () => {
  test.each([
    [{ 'user.a': '1' }, { 'user.a': '2' }, 'record'],
    [{}, { 'boot.autostart': 'true' }, 'record'],
    [{}, { 'limits.memory': '1GB' }, 'live'],
    [{ 'limits.cpu': '1' }, {}, 'live'],
    [{}, { 'environment.A': '1', 'limits.cpu': '1', 'user.a': '1' }, 'recreate'],
    [{ 'security.privileged': 'true' }, {}, 'recreate'],
    [{}, { 'raw.docker.command': 'sh' }, 'recreate'],
    [{ 'environment.A': '1' }, { 'environment.A': '1' }, 'record'],
    [{ 'environment.A': '' }, {}, 'record'],
    [{ 'volatile.eth0.hwaddr': '00:16:3e:00:00:01' }, {}, 'record'],
    [{ 'volatile.eth0.hwaddr': '00:16:3e:00:00:01' }, { 'volatile.eth0.hwaddr': '00:16:3e:00:00:02' }, 'recreate'],
  ])('%j → %j: %s', (before, after, effect) => {
    expect(keys.changeEffect(before, after)).toBe(effect)
  })

  test('names the keys', () => {
    expect(keys.configChange({ 'user.a': '1', 'user.b': '1' }, { 'user.b': '2', 'limits.cpu': '1' })).toEqual({
      effect: 'live',
      keys: ['limits.cpu', 'user.a', 'user.b'],
    })
  })
})

test('what needs an admin', () => {
  expect(keys.needsAdmin('security.privileged', 'true')).toBe(true)
  expect(keys.needsAdmin('security.privileged', 'false')).toBe(false)
  expect(keys.needsAdmin('raw.docker.command', 'sh')).toBe(false)
  expect(keys.needsAdmin('user.a', 'x')).toBe(false)
})

test('volatile keys survive a PUT without them', () => {
  const before = { 'volatile.uuid': 'u', 'user.a': '1', 'volatile.eth0.hwaddr': 'm' }
  expect(keys.keepVolatile(before, { 'user.b': '1', 'volatile.eth0.hwaddr': 'n' })).toEqual({
    'user.b': '1',
    'volatile.uuid': 'u',
    'volatile.eth0.hwaddr': 'n',
  })
})

test('an instance that goes back to a snapshot stays itself', () => {
  const now = { 'volatile.uuid': 'me', 'volatile.eth0.hwaddr': '02:42:0a:00:00:02', 'user.a': 'now' }
  const snapshot = {
    'volatile.uuid': 'my-source',
    'volatile.eth0.hwaddr': '02:42:0a:00:00:09',
    'volatile.base_image': 'f00',
    'user.b': 'then',
  }
  expect(keys.restoredConfig(now, snapshot)).toEqual({
    'volatile.uuid': 'me',
    'volatile.eth0.hwaddr': '02:42:0a:00:00:02',
    'volatile.base_image': 'f00',
    'user.b': 'then',
  })
})
