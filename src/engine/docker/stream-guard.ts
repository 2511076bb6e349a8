/** Streams from and to an engine that end by themselves: nothing stays open because somebody stopped reading. */
import { type Readable, Transform } from 'node:stream'

export interface Guard {
  /** Milliseconds without a chunk going through; 0 for no bound. */
  idle: number
  signals: readonly (AbortSignal | undefined)[]
  onIdle(): Error
  onAbort(reason: unknown): Error
  onError(error: unknown): Error
}

/**
 * Passes the source on, with backpressure. It is destroyed with its reason when the source breaks, a signal comes or
 * nothing moves for the idle time (because nothing comes, or because nobody takes it), and the source with it.
 */
export function guardStream(source: Readable, guard: Guard): Readable {
  const passed = new Transform({
    transform(chunk, _encoding, done) {
      timer?.refresh()
      done(null, chunk)
    },
  })
  const timer = guard.idle > 0 ? setTimeout(() => passed.destroy(guard.onIdle()), guard.idle) : undefined
  const unlink = guard.signals.map((signal) => onAbort(signal, (reason) => passed.destroy(guard.onAbort(reason))))
  // Whoever has let go of the stream hears nothing more; an unheard error event would end the process.
  passed.on('error', () => undefined)
  passed.once('close', () => {
    clearTimeout(timer)
    for (const off of unlink) off()
    source.destroy()
  })
  source.on('error', (error) => passed.destroy(guard.onError(error)))
  source.once('close', () => {
    if (!source.readableEnded) passed.destroy(guard.onError(new Error('aborted')))
  })
  return source.pipe(passed)
}

/** Calls back at the signal's abort, at once for an aborted one; the returned function lets go of it. */
export function onAbort(signal: AbortSignal | undefined, act: (reason: unknown) => void): () => void {
  if (signal === undefined) return () => undefined
  const call = (): void => act(signal.reason)
  if (signal.aborted) call()
  else signal.addEventListener('abort', call, { once: true })
  return () => signal.removeEventListener('abort', call)
}
