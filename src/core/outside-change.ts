/** What others have done to an instance's container on the engine itself, as far as its record does not say so yet. */
import type { InstanceRecord } from '../contract/records.ts'
import type { ContainerSummary } from './container.ts'
import { dockerName } from './names.ts'

/** `back`: it was gone, and is there again. */
export type OutsideChange = 'started' | 'frozen' | 'thawed' | 'gone' | 'back' | 'renamed'

/** The first thing that is to be told. That it has stopped is for whoever keeps power: it may have to be started again. */
export function outsideChange(
  record: Pick<InstanceRecord, 'project' | 'name' | 'container' | 'power' | 'told'>,
  container: Pick<ContainerSummary, 'status' | 'name'> | undefined,
): OutsideChange | undefined {
  // One without a container has not got it yet.
  if (record.container === '') return undefined
  const told = toldOf(record)
  if (container === undefined) return told === 'gone' ? undefined : 'gone'
  if (told === 'gone') return 'back'
  if (container.status === 'paused' && told !== 'frozen') return 'frozen'
  if (container.status === 'running' && record.power === 'stopped') return 'started'
  if (container.status === 'running' && told === 'frozen') return 'thawed'
  return container.name === dockerName(record.project, record.name) ? undefined : 'renamed'
}

function toldOf({ container, told }: Pick<InstanceRecord, 'container' | 'told'>) {
  return told?.container === container ? told.state : undefined
}

/** The record of an instance that has been started or stopped, or let go on: nothing else is to be told of it. */
export function withPower(record: InstanceRecord, power: InstanceRecord['power']): InstanceRecord {
  const { told: _told, ...rest } = record
  return { ...rest, power }
}

/** The record of an instance of which this is known by everybody. */
export function withTold(record: InstanceRecord, state: 'frozen' | 'gone'): InstanceRecord {
  return { ...record, told: { container: record.container, state } }
}
