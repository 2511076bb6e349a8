/** In the engine's words: the status of containers, since when they run and how they ended. */
import type { ContainerDetail, ContainerStatus, ContainerSummary } from '../core/container.ts'
import { eachAtOnce } from './at-once.ts'
import type { Inventory } from './inventory.ts'

export interface RunState {
  status: ContainerStatus
  /** Milliseconds since 1970; 0: never. */
  startedAt: number
  exitCode: number
}

export interface RunStates {
  /** By container id. The engine is asked once per change of a container. */
  of(containers: readonly OnEngine[]): Promise<Map<string, RunState>>
}

type OnEngine = { member: string; container: string }
type Detailed = ContainerSummary & Pick<ContainerDetail, 'startedAt' | 'exitCode'>

const AT_ONCE = 8

export function createRunStates({ inventory }: { inventory: Pick<Inventory, 'container' | 'look'> }): RunStates {
  const known = ({ member, container }: OnEngine) => inventory.container(member, container)

  return {
    of: async (containers) => {
      const vague = containers.filter((one) => {
        const summary = known(one)
        return summary !== undefined && !isDetailed(summary)
      })
      await eachAtOnce(vague, AT_ONCE, ({ member, container }) => inventory.look(member, container))
      return new Map(containers.map((one) => [one.container, toRunState(one.container, known(one))]))
    },
  }
}

function isDetailed(summary: ContainerSummary): summary is Detailed {
  return 'startedAt' in summary && 'exitCode' in summary
}

/** An instance that has lost its container is dead; one that has none yet was created. */
function toRunState(container: string, summary: ContainerSummary | undefined): RunState {
  if (summary === undefined) return { status: container === '' ? 'created' : 'dead', startedAt: 0, exitCode: 0 }
  if (!isDetailed(summary)) return { status: summary.status, startedAt: 0, exitCode: 0 }
  const { status, startedAt, exitCode } = summary
  return { status, startedAt, exitCode }
}
