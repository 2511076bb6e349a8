/** Names, keys and secrets that are held for operations which are not there any more, or have ended. */
import type { HeldClaim, OperationStore } from '../core/ports.ts'
import type { Mend } from './mend.ts'

export async function findStrayClaims(store: Pick<OperationStore, 'strayClaims' | 'freeClaim'>): Promise<Mend[]> {
  const stray = await store.strayClaims()
  return stray.map((claim) => ({
    action: 'free',
    object: describe(claim),
    reason: `It is held for operation ${claim.operation}, which has ended or is not there`,
    mend: () => store.freeClaim(claim),
  }))
}

function describe({ type, place, field, operation }: HeldClaim): string {
  switch (type) {
    case 'resv':
      return `name ${field} (${place})`
    case 'busy':
      return `key ${field}`
    case 'use':
      return `use of ${place}`
    case 'secret':
      return `secret of operation ${operation}`
    case 'open':
      return `place of operation ${operation} in the list of unfinished ones`
  }
}
