import type { InstanceRecord } from '../src/contract/records.ts'
import { conflict, isFailure } from '../src/core/failure.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { containerOf } from './containers.ts'
import type { Context } from './steps.ts'

/** What LXD waits for a clean stop when the client names no bound; seconds. */
const CLEAN_STOP = 600

/** Stops the container by its stop signal, or kills it. A clean stop that takes longer than `timeout` seconds fails. */
export async function stopContainer(
  context: Context<Kind>,
  instance: InstanceRecord,
  how: { timeout: number; force: boolean; kill?: boolean },
): Promise<void> {
  const { containers } = context.engine
  if (how.force) return killContainer(context, instance)
  const { stopSignal } = await containerOf(context, instance)
  const timeoutSeconds = how.timeout > 0 ? how.timeout : CLEAN_STOP
  const outcome = await containers.stop(
    instance.container,
    { stopSignal, timeoutSeconds, thenKill: how.kill ?? false },
    context.signal,
  )
  if (outcome === 'running')
    throw conflict(
      `Failed shutting down instance, status is "Running": it did not stop within ${timeoutSeconds} seconds; stop it with force`,
    )
}

async function killContainer(context: Context<Kind>, instance: InstanceRecord): Promise<void> {
  const how = { stopSignal: 'SIGKILL', timeoutSeconds: 0, thenKill: true }
  try {
    await context.engine.containers.stop(instance.container, how, context.signal)
  } catch (thrown) {
    // One that others have removed needs no end.
    if (isFailure(thrown, 'not-found')) return
    throw thrown
  }
}
