import { stopOwnEngine } from './engine.ts'
import { SetupError } from './host.ts'
import { findLockHolder } from './lock.ts'
import { isGoneWithin, sendSignal } from './processes.ts'
import { endOrphanedRedis } from './redis.ts'

const DRAIN_MS = 15_000

/** Stops a running `up` and the Docker Engine it has started, if it has; one sentence for each. */
export async function down(dataDir: string, say: (text: string) => void): Promise<void> {
  const holder = await findLockHolder(dataDir)
  if (holder === undefined) {
    const hadRedis = await endOrphanedRedis(dataDir)
    say(`No Windlass runs on ${dataDir}${hadRedis ? '; its Redis, left by a killed one, has stopped' : ''}.`)
  } else {
    sendSignal(holder.pid, 'SIGTERM')
    if (!(await isGoneWithin(holder.pid, DRAIN_MS)))
      throw new SetupError(`Windlass (process ${holder.pid}) does not stop.`)
    say('Windlass has stopped; the instances keep running.')
  }
  if (await stopOwnEngine(dataDir))
    say('The Docker Engine that Windlass had started has stopped; its containers keep running.')
}
