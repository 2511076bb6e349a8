import type { Acceptance } from '../../../src/core/ports.ts'
import { accepted, lease } from '../../ports/samples.ts'

/** What the operations of a schedule ask for: they are after the same name and the same instance. */
export function asked(at: number): Acceptance {
  const id = `01940000-0000-7000-8000-00000000000${at}`
  const name = at === 2 ? 'm' : 'n'
  const address = lease({ uuid: `lease${at}`, name: `10.0.0.${at}`, instance: `u${at}` })
  return {
    operation: accepted({ id, kind: 'instance.start', input: { instance: 'u' }, created: 1_000 + at }),
    names: [{ noun: 'instance', scope: 'default', name }],
    busy: [{ key: 'instance:u', mode: at === 1 ? 'use' : 'own', action: 'start' }],
    changes: [{ change: 'put', noun: 'lease', record: address }],
  }
}
