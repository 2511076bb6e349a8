/** Points in the life of an operation at which tests hold it, to kill, stop or cut off something just there. */
import type { OperationRecord } from './contract/operation-record.ts'

/** Told to the parent process. */
export interface PointReached {
  type: 'point'
  point: string
  operation: string
  /** Of what the operation is about. */
  entity: string
  /** Which attempt at the operation this is, from 1. */
  attempt: number
}

type Held = Pick<OperationRecord, 'id' | 'entity'> & { attempts?: number }

/**
 * `names`: points separated by commas, each for every operation or, as `point@name`, for the one on that entity. Only
 * the first attempt is held. `all`: every point in every attempt. The parent lets it go by a message
 * `{type: 'go', point, operation}`. Without names nothing happens.
 */
export function createPoints(names: string | undefined) {
  if (names === undefined) return () => undefined
  const points = new Set(names.split(','))
  const held = new Map<string, () => void>()
  process.on('message', (message: { type?: string; point?: string; operation?: string }) => {
    if (message.type === 'go') held.get(`${message.operation} ${message.point}`)?.()
  })
  // Listening would keep a process that failed to start open for ever.
  process.channel?.unref()
  const wanted = (name: string, entity: string, attempt: number): string | undefined => {
    if (points.has('all')) return name
    return attempt > 1 ? undefined : [`${name}@${entity}`, name].find((one) => points.has(one))
  }
  return (name: string, { id, entity, attempts = 1 }: Held): Promise<void> | void => {
    const point = wanted(name, entity.name, attempts)
    if (point === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    held.set(`${id} ${point}`, resolve)
    const told: PointReached = { type: 'point', point, operation: id, entity: entity.name, attempt: attempts }
    process.send?.(told)
    return promise
  }
}
