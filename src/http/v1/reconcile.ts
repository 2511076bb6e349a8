import { ref } from '../../contract/named.ts'
import { ReconcilePost } from '../../contract/reconcile.ts'
import type { Operations } from '../../services/operations.ts'
import type { Reconciling } from '../../services/reconciling.ts'
import { ACCEPTED } from '../accepting.ts'
import { accepted } from '../answers.ts'
import type { App } from '../app-types.ts'
import { callerOf } from '../caller.ts'

interface ReconcileRoutesDeps {
  reconciling: Reconciling
  operations: Operations
}

/** Not LXD's: see `contract/reconcile.ts`. */
export function reconcileRoutes(app: App, { reconciling, operations }: ReconcileRoutesDeps): void {
  const posted = {
    schema: {
      operationId: 'postReconcile',
      summary: 'Compare records with the engines and mend what crashes have left; with dry_run only list it',
      tags: ['server'],
      body: ref(ReconcilePost),
      response: ACCEPTED,
    },
  }
  app.post('/1.0/reconcile', posted, async (request, reply) =>
    accepted(request, reply, operations, await reconciling.reconcile(callerOf(request), request.body)),
  )
}
