import { randomUUID } from 'node:crypto'
import { openRedis, type RedisRole } from '../../src/redis/connection.ts'
import { readSince } from '../../src/redis/event-bus.ts'
import { makeKeys } from '../../src/redis/keys.ts'
import { createRedisOperationStore } from '../../src/redis/operation-store.ts'
import { createRedisRecordStore } from '../../src/redis/record-store.ts'
import type { Database } from '../../src/redis/scripts.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import type { Stores } from './samples.ts'

/** A Redis for a test file, and new deployments on it. */
export interface TestDeployments extends AsyncDisposable {
  readonly redis: TestRedis
  /** A deployment of its own over one shared connection. */
  database(): Database
  stores(): Promise<Stores>
  /** A connection of its own, closed at the end. */
  connect(role: RedisRole): Database['connection']
}

export async function startDeployments(): Promise<TestDeployments> {
  const redis = await startRedis({ appendfsync: 'everysec' })
  const opened: Database['connection'][] = []
  const connect = (role: RedisRole) => {
    const connection = openRedis({ path: redis.socket, role, onError: () => undefined })
    opened.push(connection)
    return connection
  }
  const shared = connect('worker')
  const database = () => ({ connection: shared, keys: makeKeys(randomUUID()) })
  return {
    redis,
    connect,
    database,
    stores: async () => storesOf(database()),
    [Symbol.asyncDispose]: async () => {
      for (const connection of opened) connection.close()
      await redis[Symbol.asyncDispose]()
    },
  }
}

export function storesOf(database: Database): Stores {
  return {
    operations: createRedisOperationStore(database),
    records: createRedisRecordStore(database),
    log: { since: (id, limit) => readSince(database, id, limit) },
  }
}
