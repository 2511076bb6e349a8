/** What looks at every instance again and again while its process leads: is it as its record says? */
import { createOutsideChanges, type OutsideChangesDeps } from './services/outside-changes.ts'
import { createPower, type PowerDeps } from './services/power.ts'
import type { Deps } from './wire.ts'

type Watched = Omit<PowerDeps & OutsideChangesDeps, 'onError'> & Pick<Deps, 'log'>

export function openPower(deps: Watched): (() => Promise<void>)[] {
  const telling =
    (what: string) =>
    (error: unknown, { name }: { name: string }): void =>
      deps.log.warn({ err: error, instance: name }, what)
  return [
    createPower({ ...deps, onError: telling('Keeping power') }),
    createOutsideChanges({ ...deps, onError: telling('Telling what others have done') }),
  ]
}
