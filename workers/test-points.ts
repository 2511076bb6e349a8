/** Points in the life of an operation at which tests hold it, to kill, stop or cut off something just there. */
import type { OperationRecord } from '../src/contract/operation-record.ts'

/** Told to the parent process. */
export interface PointReached {
  type: 'point'
  point: string
  operation: string
}

/**
 * `names`: points separated by commas, each for every operation or, as `point@name`, for the one on that entity. Only
 * the first attempt is held; the parent lets it go by a message `{type: 'go', operation}`. Without names nothing happens.
 */
export function createPoints(names: string | undefined) {
  if (names === undefined) return () => undefined
  const points = new Set(names.split(','))
  const held = new Map<string, () => void>()
  process.on('message', (message: { type?: string; operation?: string }) => {
    if (message.type === 'go') held.get(message.operation ?? '')?.()
  })
  return (name: string, { id, entity, attempts }: OperationRecord): Promise<void> | void => {
    const point = [`${name}@${entity.name}`, name].find((one) => points.has(one))
    if (point === undefined || attempts > 1) return
    const { promise, resolve } = Promise.withResolvers<void>()
    held.set(id, resolve)
    process.send?.({ type: 'point', point, operation: id } satisfies PointReached)
    return promise
  }
}
