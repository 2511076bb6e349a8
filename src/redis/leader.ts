import type { Leader } from '../core/ports.ts'
import type { Database } from './scripts.ts'

// KEYS[1] the lock, ARGV[1] who asks, ARGV[2] milliseconds; 1 when it leads.
const LEAD = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

// KEYS[1] the lock, ARGV[1] who resigns.
const RESIGN = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`

/** A lock with a life of its own: the process that holds it renews it, and a dead one loses it. */
export function createRedisLeader(database: Database, name: string, process: string): Leader {
  const { connection, keys } = database
  const key = keys.key('leader', name)
  return {
    lead: async (ms) => (await connection.run((redis) => redis.eval(LEAD, 1, key, process, String(ms)))) === 1,
    resign: async () => {
      await connection.run((redis) => redis.eval(RESIGN, 1, key, process))
    },
  }
}
