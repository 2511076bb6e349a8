/** LXD's status of an instance, and what may be done in it. */
import type { Config } from '../contract/common.ts'
import type { ContainerStatus, ContainerSummary } from './container.ts'
import { badRequest, type Failure } from './failure.ts'
import { isTrue } from './config-values.ts'

export type StatusName = 'Running' | 'Stopped' | 'Frozen' | 'Error'

export interface InstanceStatus {
  status: StatusName
  code: 103 | 102 | 110 | 112
}

const RUNNING: InstanceStatus = { status: 'Running', code: 103 }
const STOPPED: InstanceStatus = { status: 'Stopped', code: 102 }
const FROZEN: InstanceStatus = { status: 'Frozen', code: 110 }
const ERROR: InstanceStatus = { status: 'Error', code: 112 }

const OF: Record<ContainerStatus, InstanceStatus> = {
  created: STOPPED,
  exited: STOPPED,
  running: RUNNING,
  restarting: RUNNING,
  paused: FROZEN,
  dead: ERROR,
  removing: ERROR,
}

/** The engine's view of an instance's container → LXD's. A record whose container is gone from the engine is in Error. */
export function instanceStatus(
  record: { container: string },
  container: Pick<ContainerSummary, 'status'> | undefined,
): InstanceStatus {
  if (container !== undefined) return OF[container.status]
  return record.container === '' ? STOPPED : ERROR
}

const STATE_ACTIONS = ['start', 'stop', 'restart', 'freeze', 'unfreeze'] as const
export type StateAction = (typeof STATE_ACTIONS)[number]
export type InstanceAction =
  | StateAction
  | 'kill'
  | 'delete'
  | 'exec'
  | 'console'
  | 'rename'
  | 'restore'
  | 'snapshot'
  | 'copy'
  | 'refresh'
  | 'update'

/** The `action` of `PUT …/state`. Throws bad-request with LXD's text. */
export function parseStateAction(action: string): StateAction {
  const known = STATE_ACTIONS.find((name) => name === action)
  if (known === undefined) throw badRequest(`Unknown action: '${action}'`)
  return known
}

const ALREADY_RUNNING = 'The instance is already running'
const ALREADY_STOPPED = 'The instance is already stopped'
const NOT_RUNNING = "The container isn't running"
const IS_RUNNING = 'Instance is running'
const NO_REFRESH = 'Cannot refresh a running instance'
const NO_RENAME = 'Renaming of running container not allowed'

/** Action and status that do not go together → LXD's text. What is not listed is allowed. */
const REFUSALS: Partial<Record<InstanceAction, Partial<Record<StatusName, string>>>> = {
  start: { Running: ALREADY_RUNNING, Frozen: ALREADY_RUNNING },
  stop: { Stopped: ALREADY_STOPPED },
  /** A stop by force. */
  kill: { Stopped: ALREADY_STOPPED },
  restart: { Stopped: ALREADY_STOPPED },
  freeze: { Stopped: NOT_RUNNING, Frozen: 'The container is already frozen' },
  unfreeze: { Stopped: NOT_RUNNING, Running: 'The container is already running' },
  delete: { Running: IS_RUNNING, Frozen: IS_RUNNING },
  exec: { Stopped: 'Instance is not running', Frozen: 'Instance is frozen' },
  console: { Stopped: 'Instance is not running', Frozen: 'Instance is frozen' },
  rename: { Running: NO_RENAME, Frozen: NO_RENAME },
  refresh: { Running: NO_REFRESH, Frozen: NO_REFRESH },
}

// What needs no container, brings a new one, or finds out by itself.
const WITHOUT_CONTAINER: InstanceAction[] = ['kill', 'delete', 'restore', 'rename', 'update']

/** Throws bad-request when the action is illegal in this status. */
export function checkAction(action: InstanceAction, status: StatusName): void {
  const failure = refusalOf(action, status)
  if (failure !== undefined) throw failure
}

/** The same as a value, for lists of many instances. */
export function refusalOf(action: InstanceAction, status: StatusName): Failure | undefined {
  if (status === 'Error') {
    if (WITHOUT_CONTAINER.includes(action)) return undefined
    return badRequest('The instance has lost its container; restore a snapshot or delete it')
  }
  const text = REFUSALS[action]?.[status]
  return text === undefined ? undefined : badRequest(text)
}

/** Refuses a command in a container as `exec` is refused, where it does not run any more when the command is to start. */
export function checkStillRuns(status: ContainerStatus | undefined): void {
  if (status !== 'running') checkAction('exec', status === 'paused' ? 'Frozen' : 'Stopped')
}

/** `security.protection.delete` of the expanded config. Throws bad-request with LXD's text. */
export function checkProtection(config: Config): void {
  if (isTrue(config['security.protection.delete'])) throw badRequest('Container is protected')
}
