import { describe, expect, test } from 'vitest'
import { parseOpened, parsePlacements } from '../../../src/dialects/names.ts'

const placed = (text: string) =>
  Object.fromEntries(parsePlacements(text).map(({ name, prefix, listen }) => [name, listen ?? prefix]))
const AS_THEY_ARE = { hostapi: '', lwp: '', vzapi: '', vz: '', hebergos: '' }

test('what is not named is served as it is', () => {
  expect(placed('')).toEqual(AS_THEY_ARE)
  expect(placed('hostapi, vz,')).toEqual(AS_THEY_ARE)
})

test('a prefix, a port of its own, off', () => {
  const { hebergos: _off, ...on } = AS_THEY_ARE
  expect(placed('hostapi,lwp=/panel,vz=127.0.0.1:8888,-hebergos')).toEqual({
    ...on,
    lwp: '/panel',
    vz: { host: '127.0.0.1', port: 8888 },
  })
  expect(placed('vz=[::1]:0,vzapi=/a/b.c-d_e')).toMatchObject({ vz: { host: '::1', port: 0 }, vzapi: '/a/b.c-d_e' })
  expect(placed('-vz,vz=/again')).toMatchObject({ vz: '/again' })
})

describe('what cannot be is told', () => {
  test.each([
    ['lxd', 'name dialects (hostapi, lwp, vzapi, vz, hebergos), not "lxd"'],
    ['lwp=', 'name dialects'],
    ['lwp=panel', 'place lwp under a prefix (/panel) or at host:port, not at "panel"'],
    ['lwp=/panel/', 'place lwp'],
    ['lwp=127.0.0.1:65536', 'place lwp'],
    ['lwp=/a b', 'place lwp'],
    ['lwp=/a/..', 'without dots'],
    ['hostapi=/1.0', 'not place a dialect under /1.0, where other things are'],
    ['lwp=/docs/lwp', 'under /docs'],
  ])('%s', (text, fault) => expect(() => parsePlacements(text)).toThrow(fault))
})

test('only those without authentication of their own can be opened', () => {
  expect([...parseOpened('hostapi, hebergos')]).toEqual(['hostapi', 'hebergos'])
  expect(() => parseOpened('lwp')).toThrow('name dialects without authentication')
})
