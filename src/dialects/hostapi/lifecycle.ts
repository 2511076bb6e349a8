/** Start, stop, restart, suspend, resume: what each means in which state. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { OperationRecord } from '../../contract/operation-record.ts'
import type { StateAction } from '../../core/instance-status.ts'
import { callerOf, settle, type DialectApp, type DialectKit } from '../dialect.ts'
import { illegalState, refusedAs } from './errors.ts'
import { addRoute, noContent } from './paths.ts'
import { containerOf, type FoundContainer } from './references.ts'
import { statusOf, type ContainerStatus } from './translate.ts'

const ACTIONS = ['start', 'stop', 'restart', 'suspend', 'resume'] as const
type Action = (typeof ACTIONS)[number]

/** What is done in a state; what is not listed is illegal there. */
const STEPS: Record<Action, Partial<Record<ContainerStatus, StateAction>>> = {
  start: { stopped: 'start' },
  stop: { running: 'stop', suspended: 'stop' },
  restart: { running: 'restart', suspended: 'restart', stopped: 'start' },
  suspend: { running: 'freeze' },
  resume: { suspended: 'unfreeze' },
}

/** The last generation takes these for done, where it is so already. */
const ALREADY: Partial<Record<Action, ContainerStatus>> = { start: 'running', stop: 'stopped', suspend: 'suspended' }

const SUMMARIES: Record<Action, string> = {
  start: 'Start a container',
  stop: 'Stop a container at once',
  restart: 'Stop a container at once and start it again, or start it',
  suspend: 'Freeze all processes of a container',
  resume: 'Let the processes of a suspended container go on',
}

export function lifecycleRoutes(app: DialectApp, kit: DialectKit): void {
  for (const action of ACTIONS)
    addRoute(app, {
      method: 'POST',
      path: `/containers/:ct/${action}`,
      words: [`${action}Container`, SUMMARIES[action], 'containers'],
      answers: { 204: Type.Null({ description: 'Done.' }) },
      config: { repeated: noContent },
      handler: async (request, reply) => {
        const operation = await begin(kit, request, action)
        if (operation !== undefined) await settle(kit, operation)
        return reply.code(204).send()
      },
    })
}

async function begin(kit: DialectKit, request: FastifyRequest, action: Action): Promise<OperationRecord | undefined> {
  const { one, isLater }: FoundContainer = await containerOf(kit, request)
  const status = statusOf(one)
  const step = STEPS[action][status]
  if (step === undefined && isLater && ALREADY[action] === status) return undefined
  if (step === undefined) throw illegalState()
  const changed = kit.services.instances.changeState(callerOf(request), one.where, { action: step, force: true })
  return refusedAs(changed, illegalState)
}
