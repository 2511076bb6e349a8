import { describe, expect, test } from 'vitest'
import { checkForeign, foreignAllowed, foreignRefusal } from '../../../src/core/foreign.ts'

const plain = { privileged: false, binds: [], mounts: [], hostNamespaces: [], hostDevices: [], addedCapabilities: [] }
const mount = { volume: '', path: '/x', readonly: false }

describe('an operator and a container made by others', () => {
  test.each([
    [plain],
    [{ ...plain, addedCapabilities: ['CAP_CHOWN', 'net_raw'] }],
    [{ ...plain, mounts: [{ ...mount, type: 'volume', source: '/var/lib/docker/volumes/v/_data' }] }],
  ])('%j is allowed', (detail) => {
    expect(foreignAllowed('operator', detail)).toBe(true)
    expect(() => checkForeign('operator', detail)).not.toThrow()
  })

  test.each([
    [{ ...plain, privileged: true }, 'is privileged'],
    [{ ...plain, hostNamespaces: ['pid'] }, "shares the host's pid namespace"],
    [{ ...plain, addedCapabilities: ['SYS_ADMIN'] }, 'has the capability SYS_ADMIN'],
    [{ ...plain, hostDevices: ['/dev/sda'] }, "has the host's device /dev/sda"],
    [{ ...plain, binds: ['/var/run/docker.sock:/var/run/docker.sock'] }, 'a socket'],
    [{ ...plain, mounts: [{ ...mount, type: 'bind', source: '/etc' }] }, 'has the host path /etc'],
  ])('%j is not', (detail, reason) => {
    expect(foreignAllowed('operator', detail)).toBe(false)
    expect(foreignAllowed('admin', detail)).toBe(true)
    expect(() => checkForeign('operator', detail)).toThrow(
      expect.objectContaining({ code: 'forbidden', message: expect.stringContaining(reason) }),
    )
  })
})

test('a viewer may not', () => {
  expect(foreignAllowed('viewer', plain)).toBe(false)
  expect(() => checkForeign('viewer', plain)).toThrow('viewer')
})

test('everything else tells what can be done', () => {
  expect(foreignRefusal('web')).toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('"web" was made by others'),
  })
})
