/** The steps by which a start makes the container anew where changes wait for it. */
import type { InstanceRecord } from '../src/contract/records.ts'
import { applied, isUnapplied } from '../src/core/pending.ts'
import type { Observed, RecordChange } from '../src/core/ports.ts'
import { loadInstance } from './containers.ts'
import { freeReplaced } from './leases.ts'
import { committed, madeBy, recreationSteps } from './recreating.ts'
import { vanished, type Context, type Step } from './steps.ts'

type Starting = 'instance.start' | 'instance.restart'

export interface PendingSteps<K extends Starting> {
  before: Step<K>[]
  after: Step<K>[]
  /** The container to start between them. */
  container(context: Context<K>): string
  /** Gives back the addresses that the new container has no more. */
  freed(context: Context<K>, now: InstanceRecord): Promise<RecordChange[]>
  /** The container that was replaced, if one was. */
  gone(context: Context<K>): Observed[]
}

/** What the first step finds: whether something waits, and the container as it is. */
interface Plan {
  recreate: boolean
  container: string
}

/** The steps around that of starting; all but the first are left out where nothing waits. */
export function pendingSteps<K extends Starting>(): PendingSteps<K> {
  const planned = (context: Context<K>) => context.note('plan') as Plan // the step's own note
  const when = (context: Context<K>) => planned(context).recreate
  const now = (context: Context<K>) => loadInstance(context, context.input.instance)
  const steps = recreationSteps<K>({
    instance: ({ input }) => input.instance,
    when,
    image: committed,
    next: async (_context, record) => applied(record),
    fresh: async () => [],
  })
  const plan: Step<K> = {
    name: 'plan',
    run: async (context): Promise<Plan> => {
      const record = await now(context)
      return { recreate: isUnapplied(record), container: record.container }
    },
    lasts: () => true,
  }
  return {
    before: [plan, steps.commit, steps.container, steps.name],
    after: [steps.record, steps.cleanup],
    container: (context) => (when(context) ? madeBy(context).made : planned(context).container),
    freed: async (context, record) => (when(context) ? freeReplaced(context, record) : []),
    gone: (context) => (when(context) ? [vanished(context.engine.member, madeBy(context).old)] : []),
  }
}
