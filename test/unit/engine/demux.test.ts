import { array, assert, asyncProperty, constantFrom, integer, tuple, uint8Array } from 'fast-check'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { Demux } from '../../../src/engine/docker/demux.ts'

function frame(kind: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header[0] = kind
  header.writeUInt32BE(body.length, 4)
  return Buffer.concat([header, body])
}

async function demux(chunks: Iterable<Buffer>): Promise<{ out: Buffer; err: Buffer }> {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const both = Promise.all([buffer(stdout), buffer(stderr)])
  both.catch(() => undefined)
  await pipeline(Readable.from(chunks, { objectMode: false }), new Demux({ stdout, stderr }))
  const [out, err] = await both
  return { out, err }
}

test('frames come out as they went in, however they are cut', async () => {
  const frames = array(tuple(constantFrom(0, 1, 2), uint8Array({ maxLength: 60 })), { maxLength: 40 })
  await assert(
    asyncProperty(frames, array(integer({ min: 1, max: 50 }), { minLength: 1 }), async (list, cuts) => {
      const all = Buffer.concat(list.map(([kind, body]) => frame(kind, Buffer.from(body))))
      const chunks: Buffer[] = []
      for (let at = 0, turn = 0; at < all.length; turn++) {
        const next = at + (cuts[turn % cuts.length] ?? 1)
        chunks.push(all.subarray(at, next))
        at = next
      }
      const { out, err } = await demux(chunks)
      const bodies = (isError: boolean): Buffer =>
        Buffer.concat(list.filter(([kind]) => (kind === 2) === isError).map(([, body]) => body))
      expect(out.equals(bodies(false))).toBe(true)
      expect(err.equals(bodies(true))).toBe(true)
    }),
    { numRuns: 60 },
  )
})

test('many small frames in one chunk', async () => {
  const all = Buffer.concat(Array.from({ length: 5_000 }, (_, index) => frame(1 + (index % 2), Buffer.from('x'))))
  const { out, err } = await demux([all])
  expect([out.length, err.length]).toEqual([2_500, 2_500])
})

test('one very large frame, in small chunks, is never assembled', async () => {
  const size = 50 * 1024 * 1024
  const piece = Buffer.alloc(64 * 1024, 'a')
  function* chunks(): Generator<Buffer> {
    const header = Buffer.alloc(8)
    header[0] = 1
    header.writeUInt32BE(size, 4)
    yield header.subarray(0, 3)
    yield header.subarray(3)
    for (let sent = 0; sent < size; sent += piece.length) yield piece
  }
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  stderr.resume()
  let total = 0
  let largest = 0
  stdout.on('data', (chunk: Buffer) => {
    total += chunk.length
    largest = Math.max(largest, chunk.length)
  })
  await pipeline(Readable.from(chunks(), { objectMode: false }), new Demux({ stdout, stderr }))
  expect(total).toBe(size)
  expect(largest).toBeLessThanOrEqual(piece.length)
})

test('waits for whoever reads', async () => {
  const stdout = new PassThrough({ highWaterMark: 10 })
  const stderr = new PassThrough()
  const demuxing = new Demux({ stdout, stderr })
  const written = new Promise<void>((resolve) => demuxing.write(frame(1, Buffer.alloc(100)), () => resolve()))
  const early = await Promise.race([
    written.then(() => 'written'),
    new Promise((resolve) => setImmediate(resolve, 'held')),
  ])
  expect(early).toBe('held')
  stdout.resume()
  await written
})

test('goes on for one side when the other is gone', async () => {
  const stdout = new PassThrough({ highWaterMark: 10 })
  const stderr = new PassThrough()
  const demuxing = new Demux({ stdout, stderr })
  const written = new Promise<void>((resolve) => demuxing.write(frame(1, Buffer.alloc(100)), () => resolve()))
  stdout.destroy()
  await written
  demuxing.end(frame(2, Buffer.from('still')))
  expect((await buffer(stderr)).toString()).toBe('still')
})

test("the engine's own error and what is no frame end it", async () => {
  await expect(demux([frame(1, Buffer.from('a')), frame(3, Buffer.from('log driver broke'))])).rejects.toThrow(
    'log driver broke',
  )
  await expect(demux([Buffer.from('plain text of a terminal')])).rejects.toThrow('not multiplexed')
})
