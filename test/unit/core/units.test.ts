import { expect, test } from 'vitest'
import { parseBytes, parseBytesOf, parsePercent } from '../../../src/core/units.ts'

test.each([
  ['', 0],
  ['0', 0],
  ['4096', 4096],
  ['1B', 1],
  ['10 bytes', 10],
  ['1kB', 1000],
  ['2MB', 2e6],
  ['3GB', 3e9],
  ['1TB', 1e12],
  ['1PB', 1e15],
  ['1EB', 1e18],
  ['1KiB', 1024],
  ['128MiB', 134_217_728],
  ['1GiB', 2 ** 30],
  ['1TiB', 2 ** 40],
  ['1PiB', 2 ** 50],
  ['1EiB', 2 ** 60],
])('%j is %d bytes', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes)
})

test.each(['abc', '-1', '1.5GB', '1 GB', '1KB', 'GB', '1GBx', '1mb', '9EiB', '1e3'])('%j is no size', (text) => {
  expect(() => parseBytes(text)).toThrow(`Invalid value: ${text}`)
})

test('percentages are of the total', () => {
  expect(parseBytesOf('50%', 1001)).toBe(500)
  expect(parseBytesOf('1kB', 1001)).toBe(1000)
  expect(parsePercent('10%')).toBe(10)
  expect(parsePercent('10')).toBeUndefined()
  expect(() => parseBytesOf('x%', 100)).toThrow('Invalid value: x%')
})
