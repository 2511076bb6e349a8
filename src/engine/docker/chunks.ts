import type { Readable } from 'node:stream'

/**
 * The chunks of a byte stream one by one. A stream's own iterator joins those that wait, which copies every byte once
 * more and costs most of the time of a large transfer. Who leaves early leaves the stream open, and paused.
 */
export async function* chunksOf(stream: Readable): AsyncGenerator<Buffer> {
  const waiting: Buffer[] = []
  let wake: (() => void) | undefined
  const onData = (chunk: Buffer): void => {
    waiting.push(chunk)
    stream.pause()
    wake?.()
  }
  const onSettled = (): void => wake?.()
  const events = { data: onData, end: onSettled, error: onSettled, close: onSettled }
  for (const [event, listener] of Object.entries(events)) stream.on(event, listener)
  try {
    for (;;) {
      const chunk = waiting.shift()
      if (chunk !== undefined) yield chunk
      else if (stream.errored !== null) throw stream.errored
      else if (stream.readableEnded) return
      else if (stream.destroyed) throw new Error('aborted')
      else {
        const { promise, resolve } = Promise.withResolvers<void>()
        wake = resolve
        stream.resume()
        await promise
      }
    }
  } finally {
    for (const [event, listener] of Object.entries(events)) stream.off(event, listener)
    stream.pause()
  }
}

/** The same of a stream that ends with its reader. */
export async function* consumed(stream: Readable): AsyncGenerator<Buffer> {
  try {
    yield* chunksOf(stream)
  } finally {
    stream.destroy()
  }
}

/** What has come already, and then the rest. */
export async function* chained(chunks: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks
  yield* rest
}

/** Destroys a stream and waits until it is closed: with one of a kept file that is when its volume may go. */
export async function letGo(stream: Readable): Promise<void> {
  // Whoever left it before its end may have it told of that; nobody is there to hear it.
  stream.on('error', () => undefined)
  stream.destroy()
  if (!stream.closed) await new Promise<void>((resolve) => void stream.once('close', resolve))
}
