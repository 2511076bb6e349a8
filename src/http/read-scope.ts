/** The reads of one request belong together: what they see is at least as new as the first of them. */
import type { App } from './app-types.ts'

/** Opens a scope: a function that runs what belongs to it, with all that follows from it. */
export type OpenScope = () => (work: () => void) => void

/** Registers the hooks: before all others of the application. */
export function scopeReads(app: App, open: OpenScope): void {
  app.decorateRequest('inScope')
  app.addHook('onRequest', (request, _reply, done) => {
    request.inScope = open()
    request.inScope(done)
  })
  // A body is read by what the connection tells, outside of the scope.
  app.addHook('preValidation', (request, _reply, done) => request.inScope(done))
}
