import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitWords } from '../../../src/core/words.ts'

test.each([
  ['', []],
  ['   ', []],
  ['sh -c ls', ['sh', '-c', 'ls']],
  [`sh -c 'echo "a  b"'`, ['sh', '-c', 'echo "a  b"']],
  [`a"b c"'d e'f`, ['ab cd ef']],
  [`'' ""`, ['', '']],
  [`a\\ b "\\"\\\\\\n"`, ['a b', '"\\\\n']],
  [`$HOME *`, ['$HOME', '*']],
  ['a\tb\nc', ['a', 'b', 'c']],
])('%j', (line, words) => {
  expect(splitWords(line)).toEqual(words)
})

test.each([`'a`, `"a`, `a\\`, `"a\\"`])('%j has no end', (line) => {
  expect(splitWords(line)).toBeUndefined()
})

test('what is quoted comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (words) => {
      const line = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
      expect(splitWords(line)).toEqual(words)
    }),
  )
})
