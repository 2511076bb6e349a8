import { expect, test } from 'vitest'
import { checkReach, EVERYWHERE, mayReach, parseReach, parseServerUrl } from '../../../src/core/outbound.ts'

const NOT_PUBLIC = [
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.31.0.1',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '64:ff9b::7f00:1',
  'fc00::1',
  'fe80::1',
  '2002:7f00:1::',
]

test.each(NOT_PUBLIC)('%s is for admins', (address) => {
  expect(mayReach(address, [])).toBe(false)
  expect(mayReach(address, EVERYWHERE)).toBe(true)
})

test.each(['8.8.8.8', '172.32.0.1', '2606:4700::1111', '2a00:1450::1'])('%s is for everybody', (address) => {
  expect(mayReach(address, [])).toBe(true)
})

test('listed networks are reached, and no others', () => {
  const reach = parseReach('10.0.0.0/8, fd00::/8') ?? []
  expect(['10.1.2.3', 'fd00::1', '192.168.0.1', '::1'].map((one) => mayReach(one, reach))).toEqual([
    true,
    true,
    false,
    false,
  ])
  expect(parseReach('')).toEqual([])
  for (const wrong of ['10.0.0.0', '10.0.0.0/33', 'lan', '::/129', '10.0.0.0/8;::/0'])
    expect(parseReach(wrong)).toBeUndefined()
})

test.each([
  'https://2130706433:1',
  'https://0x7f.1',
  'https://0177.0.0.1',
  'https://[::ffff:127.0.0.1]',
  'https://127.1',
])('%s is an address in another form', (text) => {
  expect(() => checkReach(parseServerUrl(text), [])).toThrow(/^Only an admin may name a server at/)
})

test('a name is judged when it is looked up', () => {
  expect(() => checkReach(parseServerUrl('https://localhost:8443'), [])).not.toThrow()
})

test.each(['http://a', 'file:///etc/passwd', 'unix:///run/docker.sock', 'gopher://a', 'a', '', undefined])(
  '%s is no URL of a server',
  (text) => {
    expect(() => parseServerUrl(text)).toThrow(/^Another server is named by its URL/)
  },
)
