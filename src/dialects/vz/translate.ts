/** Between the manual's words and ours. */
import type { Config } from '../../contract/common.ts'
import type { InstanceState } from '../../contract/instance.ts'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { isFinal, operationStatus } from '../../core/operation-states.ts'
import { effectiveDevices } from '../../core/expand.ts'
import type { Numbered } from './numbers.ts'
import type { Container, Machine, Operation } from './wire.ts'

/** The manual's keys and ours. */
const KEYS = { 'limits.cpus': 'limits.cpu' } as const
const OURS = new Map<string, string>(Object.entries(KEYS))
const THEIRS = new Map<string, string>(Object.entries(KEYS).map(([theirs, ours]) => [ours, theirs]))

/** What the server keeps in an instance's config; it is not shown, and stays when the config is replaced. */
const KEPT = /^(volatile|image)\./

/** A config from a request. */
export function toConfig(config: Config): Config {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [OURS.get(key) ?? key, value]))
}

/** The same in place of the one that is there. */
export function replaceConfig(now: Config, next: Config): Config {
  const kept = Object.entries(now).filter(([key]) => KEPT.test(key))
  return { ...Object.fromEntries(kept), ...toConfig(next) }
}

function fromConfig(config: Config): Config {
  const shown = Object.entries(config).filter(([key]) => !KEPT.test(key))
  return Object.fromEntries(shown.map(([key, value]) => [THEIRS.get(key) ?? key, value]))
}

/** What `machine` is made of, beside the container itself. */
export interface Figures {
  state: InstanceState
  /** Bytes: its limit, or all of the host's. */
  memory: number
  /** Percent of one processor. */
  load: number
}

export function toContainer({ view, where, hostname, ctid }: Numbered, figures: Figures): Container {
  const { status, code } = view.status
  const machine = [toMachine(view.devices, figures)]
  const config = fromConfig(view.record.config)
  return { hostname, config, status: { status, status_code: code, machine }, ctid, instance: where.name }
}

function toMachine(devices: Numbered['view']['devices'], { state, memory, load }: Figures): Machine {
  const root = Object.values(effectiveDevices(devices)).find(({ type, path }) => type === 'disk' && path === '/')
  const address = Object.values(state.network ?? {})
    .flatMap(({ addresses }) => addresses)
    .find(({ family, scope }) => family === 'inet' && scope === 'global')
  return {
    disk_space: root?.['size'] || 'unlimited',
    disk_usage: 'unknown',
    memory: inUnits(memory),
    free_memory: inUnits(Math.max(0, memory - state.memory.usage)),
    cpu_load: `${Math.round(load)}%`,
    ip_address: address?.address ?? '',
  }
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** `4GB`, `268.4MB`. */
function inUnits(bytes: number): string {
  let [value, at] = [bytes, 0]
  while (value >= 1000 && at < UNITS.length - 1) [value, at] = [value / 1000, at + 1]
  return `${Math.round(value * 10) / 10}${UNITS[at]}`
}

/** As LXD showed operations in 2015; `containers` are the URLs of what it is about. */
export function toOperation(record: OperationRecord, containers: string[]): Operation {
  const { status, code } = operationStatus(record)
  return {
    id: record.id,
    created_at: Math.floor(record.created / 1000),
    updated_at: Math.floor(record.updated / 1000),
    status,
    status_code: code,
    resources: { containers },
    metadata: { ...metadataOf(record), ...(record.err !== '' && { error: record.err }) },
    may_cancel: record.cancellable && !record.forward && !isFinal(record.state),
  }
}

/** Only tasks: what others have in it are secrets. */
export function metadataOf({ class: sort, metadata }: OperationRecord): Record<string, unknown> {
  return sort === 'task' ? { ...metadata } : {}
}
