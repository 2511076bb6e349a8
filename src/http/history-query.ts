import type { OperationRecord, OperationState } from '../contract/operation-record.ts'
import { badRequest } from '../core/failure.ts'
import { statesOf } from '../core/operation-states.ts'
import type { HistoryQuery } from '../core/ports.ts'
import { isKind } from '../operations/catalog.ts'

/** The filters of `GET /1.0/operations?history=true` as they come. */
export interface HistoryFilters {
  status?: string | undefined
  kind?: string | undefined
  instance?: string | undefined
  since?: string | undefined
  until?: string | undefined
  limit?: string | undefined
  cursor?: string | undefined
}

const DEFAULT_LIMIT = 100
const LARGEST_LIMIT = 1000

/** Decodes the filters. Each one that cannot be meant is a bad-request that names it. */
export function parseHistory(filters: HistoryFilters, project: string | undefined): HistoryQuery {
  const states = parseStates(filters.status)
  const kinds = parseKinds(filters.kind)
  const { instance } = filters
  const matches = (operation: OperationRecord) =>
    (states === undefined || states.has(operation.state)) &&
    (kinds === undefined || kinds.has(operation.kind)) &&
    (instance === undefined || isAbout(operation, instance))
  return {
    project,
    since: parseTime('since', filters.since, 0),
    until: parseTime('until', filters.until, Number.MAX_SAFE_INTEGER),
    limit: parseLimit(filters.limit),
    cursor: filters.cursor || undefined,
    matches,
  }
}

function parseStates(text: string | undefined): Set<OperationState> | undefined {
  if (text === undefined) return undefined
  const found = text.split(',').map((word) => {
    const states = statesOf(word.trim())
    if (states === undefined) throw badRequest(`Invalid status "${word}"`)
    return states
  })
  return new Set(found.flat())
}

function parseKinds(text: string | undefined): Set<string> | undefined {
  if (text === undefined) return undefined
  const kinds = text.split(',').map((word) => word.trim())
  const unknown = kinds.find((kind) => !isKind(kind))
  if (unknown !== undefined) throw badRequest(`Invalid kind "${unknown}"`)
  return new Set(kinds)
}

function isAbout({ entity, resources }: OperationRecord, instance: string): boolean {
  if (entity.type === 'instance' && entity.name === instance) return true
  const path = `/1.0/instances/${encodeURIComponent(instance)}`
  return (resources?.['instances'] ?? []).some((url) => url === path || url.startsWith(`${path}?`))
}

function parseTime(name: string, text: string | undefined, missing: number): number {
  if (text === undefined || text === '') return missing
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw badRequest(`Invalid ${name} "${text}": a time such as 2026-11-21T09:00:00Z is needed`)
  return at
}

function parseLimit(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_LIMIT
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw badRequest(`Invalid limit "${text}": a number from 1 to ${LARGEST_LIMIT}`)
  return Math.min(Number(text), LARGEST_LIMIT)
}
