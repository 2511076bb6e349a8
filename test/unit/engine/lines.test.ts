import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { linesOf, readLines, readProgress } from '../../../src/engine/docker/ndjson.ts'
import { familiar, formatReference, parseReference } from '../../../src/engine/docker/references.ts'

function inPieces(text: string, size: number): Readable {
  const bytes = Buffer.from(text)
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return Readable.from(pieces, { objectMode: false })
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

test.each([1, 2, 3, 1000])('lines stay whole in pieces of %i bytes, their characters too', async (size) => {
  const text = '{"status":"café – ☃"}\r\n\n{"id":"b"}\n{"last":true}'
  expect(await all(readLines(inPieces(text, size)))).toEqual([{ status: 'café – ☃' }, { id: 'b' }, { last: true }])
})

test('a line that tells an error ends progress, whatever came before', async () => {
  const text = '{"status":"ok"}\n{"errorDetail":{"message":"manifest unknown"},"error":"x"}\n{"status":"more"}\n'
  await expect(all(readProgress(inPieces(text, 9), 'pulling a:1'))).rejects.toMatchObject({
    code: 'not-found',
    message: 'Failed pulling a:1: manifest unknown',
  })
  expect(() => linesOf('{"error":"no space left on device"}', 'importing')).toThrow('no space left')
  expect(linesOf('{"a":1}\n\n{"b":2}\n', 'x')).toEqual([{ a: 1 }, { b: 2 }])
  await expect(all(readLines(inPieces('{"a":', 9)))).rejects.toThrow('no JSON')
})

test.each([
  ['busybox', { repo: 'busybox', tag: 'latest' }, 'busybox:latest'],
  ['a/b:1', { repo: 'a/b', tag: '1' }, 'a/b:1'],
  ['host:5000/a', { repo: 'host:5000/a', tag: 'latest' }, 'host:5000/a:latest'],
  ['host:5000/a:x', { repo: 'host:5000/a', tag: 'x' }, 'host:5000/a:x'],
  ['a@sha256:12', { repo: 'a', tag: 'sha256:12' }, 'a@sha256:12'],
  ['a:1@sha256:12', { repo: 'a', tag: 'sha256:12' }, 'a@sha256:12'],
])('the reference %s', (reference, parts, whole) => {
  expect(parseReference(reference)).toEqual(parts)
  expect(formatReference(parts)).toBe(whole)
})

test('names are listed without the default registry', () => {
  expect(familiar('docker.io/library/a:1')).toBe('a:1')
  expect(familiar('docker.io/x/a:1')).toBe('x/a:1')
  expect(familiar('host.io/library/a:1')).toBe('host.io/library/a:1')
})
