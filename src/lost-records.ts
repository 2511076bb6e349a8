/** A Redis that knows nothing of a deployment that has been there: told, since nothing else would say so. */
import type { Clock, RecordStore } from './core/ports.ts'
import { createWarnings } from './services/warnings.ts'

const KEY = 'lost-records'
export const LOST_RECORDS =
  'This Redis had no records of this deployment: they are gone. What the engine holds is rebuilt as it was when it was ' +
  'made, the rest is not; load a dump'

interface Told {
  records: RecordStore
  clock: Clock
}

export async function tellLostRecords(deps: Told): Promise<void> {
  await createWarnings(deps).raise({ key: KEY, type: 'Records lost', severity: 'high', message: LOST_RECORDS })
}

/** A dump was loaded. */
export async function settleLostRecords(deps: Told): Promise<void> {
  await createWarnings(deps).resolve(KEY)
}
