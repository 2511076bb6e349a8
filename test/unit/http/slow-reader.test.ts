import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createReader, type Outlet } from '../../../src/http/slow-reader.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const KIB = 1024

function setUp() {
  const said: string[] = []
  let unread = 0
  const outlet: Outlet = {
    send: (text) => void said.push(text),
    buffered: () => unread,
    end: () => void said.push('<end>'),
    destroy: () => void said.push('<destroyed>'),
  }
  const slow = vi.fn<() => void>(() => reader.dismiss('gap'))
  const reader = createReader(outlet, slow)
  return { said, slow, reader, fill: (bytes: number) => (unread = bytes) }
}

test('a reader that keeps up is left alone', () => {
  const { reader, slow, said } = setUp()
  for (const text of ['a', 'b']) reader.send(text)
  vi.advanceTimersByTime(60_000)
  expect(slow).not.toHaveBeenCalled()
  expect(said).toEqual(['a', 'b'])
})

test('256 KiB unread are too much: a farewell, the end, and no more', () => {
  const { reader, slow, said, fill } = setUp()
  fill(256 * KIB + 1)
  reader.send('a')
  reader.send('b')
  expect(slow).toHaveBeenCalledOnce()
  expect(said).toEqual(['a', 'gap', '<end>'])
  vi.advanceTimersByTime(2_000)
  expect(said).toEqual(['a', 'gap', '<end>', '<destroyed>'])
})

test('ten seconds behind are too long, unless it has caught up by then', () => {
  const { reader, slow, fill } = setUp()
  fill(20 * KIB)
  reader.send('a')
  fill(0)
  vi.advanceTimersByTime(10_000)
  expect(slow).not.toHaveBeenCalled()
  fill(20 * KIB)
  reader.send('b')
  vi.advanceTimersByTime(10_000)
  expect(slow).toHaveBeenCalledOnce()
})

test('a closed reader is sent nothing', () => {
  const { reader, slow, said, fill } = setUp()
  fill(20 * KIB)
  reader.send('a')
  reader.close()
  reader.send('b')
  vi.advanceTimersByTime(60_000)
  expect(slow).not.toHaveBeenCalled()
  expect(said).toEqual(['a'])
})
