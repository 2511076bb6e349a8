import { Abandoned, type Course } from './course.ts'

/** Milliseconds between two questions. */
const EVERY = 2_000

/**
 * A signal for undoing: not aborted by the cancel that may be its cause, but when the turn is lost. After a cancel
 * nothing else tells of a lost lock, so the fence is asked.
 */
export function watchFence(course: Course, turn: AbortSignal): { signal: AbortSignal; close(): void } {
  const lost = new AbortController()
  const follow = (): void => {
    if (turn.reason !== 'cancelled') lost.abort(turn.reason)
  }
  turn.addEventListener('abort', follow)
  if (turn.aborted) follow()
  const ask = (): void => {
    course.check().catch((thrown: unknown) => {
      if (thrown instanceof Abandoned) lost.abort('lost')
    })
  }
  const timer = setInterval(ask, EVERY)
  return {
    signal: lost.signal,
    close: () => {
      clearInterval(timer)
      turn.removeEventListener('abort', follow)
    },
  }
}
