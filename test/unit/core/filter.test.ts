import { describe, expect, test } from 'vitest'
import { parseFilter } from '../../../src/core/filter.ts'

const instance = {
  name: 'c1',
  status: 'Running',
  type: 'container',
  ephemeral: false,
  status_code: 103,
  profiles: ['default', 'web'],
  config: { 'image.os': 'busybox', image: 'x', 'user.note': 'two words' },
  expanded_devices: { eth0: { network: 'lxdbr0' } },
}

describe('as LXD answers', () => {
  test.each([
    ['', true],
    ['  ', true],
    ['status eq running', true],
    ['STATUS eq Running', false],
    ['name eq c2', false],
    ['name ne c2', true],
    ['name eq c2 or name eq c1', true],
    ['not name eq c1', false],
    ['not name ne c1', true],
    ['type eq container and status eq Stopped', false],
    ['name eq c1 or name eq c2 and status eq stopped', false],
    ['name zz c1', true],
    ['config.image.os eq busybox', true],
    ['config.user.note eq "two words"', true],
    [`config.user.note eq 'TWO WORDS'`, true],
    ['expanded_devices.eth0.network eq lxdbr0', true],
    ['ephemeral eq false', true],
    ['status_code eq 103', true],
    ['profiles eq web', true],
    ['nosuch eq x', false],
    ['nosuch ne x', true],
    ['name.length eq 2', false],
    ['config.__proto__ eq x', false],
    ['name eq "and"', false],
  ])('%s: %s', (text, passes) => {
    expect(parseFilter(text)(instance)).toBe(passes)
  })

  test.each([
    ['bad', 'clause has no operator'],
    ['name eq', 'clause has no value'],
    ['not', 'incomplete not clause'],
    ['name eq c1 and', 'unterminated compound clause'],
    ['name eq c1 xor name eq c2', 'invalid clause composition'],
    ['name eq "c1', 'unterminated quote'],
  ])('%s is refused', (text, reason) => {
    expect(() => parseFilter(text)).toThrow(
      expect.objectContaining({ code: 'bad-request', message: `Invalid filter: ${reason}` }),
    )
  })
})
