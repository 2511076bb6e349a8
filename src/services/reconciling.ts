/** The sweep by hand. */
import type { ReconcilePost } from '../contract/reconcile.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import { requireServer, type Caller } from './caller.ts'
import type { Operations } from './operations.ts'

export interface ReconcilingDeps {
  operations: Pick<Operations, 'submit'>
  /** Whose workers do it; they look at every member. */
  member: string
}

export type Reconciling = ReturnType<typeof createReconciling>

export function createReconciling({ operations, member }: ReconcilingDeps) {
  /** One at a time; for admins, since it tells of every project. */
  async function reconcile(caller: Caller, body: ReconcilePost): Promise<OperationRecord> {
    requireServer(caller)
    return operations.submit(caller, {
      kind: 'server.reconcile',
      input: { dry_run: body.dry_run ?? false },
      project: 'default',
      member,
      entity: { id: 'server', name: 'server', url: '/1.0' },
      resources: null,
      busy: [{ key: 'server:sweep', mode: 'own', action: 'reconcile' }],
    })
  }

  return { reconcile }
}
