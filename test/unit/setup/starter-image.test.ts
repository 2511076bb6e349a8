import { expect, test } from 'vitest'
import { isStaticProgram } from '../../../src/setup/starter-image.ts'

function makeElf(programTypes: readonly number[]): Buffer {
  const elf = Buffer.alloc(64 + programTypes.length * 56)
  elf.writeUInt32BE(0x7f_45_4c_46, 0)
  elf[4] = 2
  elf[5] = 1
  elf.writeBigUInt64LE(64n, 32)
  elf.writeUInt16LE(56, 54)
  elf.writeUInt16LE(programTypes.length, 56)
  for (const [index, type] of programTypes.entries()) elf.writeUInt32LE(type, 64 + index * 56)
  return elf
}

test('a program without an interpreter is static', () => {
  expect(isStaticProgram(makeElf([1, 1, 7]))).toBe(true)
  expect(isStaticProgram(makeElf([6, 3, 1]))).toBe(false)
})

test.each([
  ['a script', Buffer.from('#!/bin/sh\n'.repeat(10))],
  ['nothing', Buffer.alloc(0)],
  ['a cut-off program', makeElf([1, 1]).subarray(0, 100)],
])('%s is no static program', (_, binary) => {
  expect(isStaticProgram(binary)).toBe(false)
})
