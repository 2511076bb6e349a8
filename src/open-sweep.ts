/** The sweep over the real adapters: the same one in API processes, where it runs by itself, and in workers. */
import { createRedisLeader } from './redis/leader.ts'
import { createRedisTransfers } from './redis/transfers.ts'
import { newProject } from './services/new-project.ts'
import { createWarnings } from './services/warnings.ts'
import { createSweeping, type SweepingDeps } from './services/sweeping.ts'
import { createSweep, type Sweep, type Swept } from './sweep/sweep.ts'
import type { Deps } from './wire.ts'

export function openSweep(deps: Deps): Sweep {
  const { database, records, clock } = deps
  return createSweep({
    ...deps,
    transfers: createRedisTransfers(database, clock),
    lock: createRedisLeader(database, 'sweep', clock.uuid()),
    warnings: createWarnings({ records, clock }),
    newProject: (name) => newProject({ name, description: '', config: {} }, clock).changes,
  })
}

/** As it runs by itself in an API process; called every second while that leads. */
export function openSweeping(deps: Omit<SweepingDeps, 'onSwept'> & Pick<Deps, 'log'>): () => Promise<void> {
  const { log } = deps
  const onSwept = (swept: Swept): void => {
    if (swept.error !== undefined) log.warn(swept, 'Sweeping')
    else if (swept.done) log.info(swept, 'Swept')
  }
  return createSweeping({ ...deps, onSwept })
}
