/** Reading what an engine answered: nothing is trusted to be there, whatever its documentation says. */
import { internal } from '../../core/failure.ts'

export type Fields = Readonly<Record<string, unknown>>

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An object's fields; none for anything else. */
export function fields(value: unknown): Fields {
  return isFields(value) ? value : {}
}

/** A string; '' for anything else. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** A string that must be there: without it the answer means nothing. */
export function required(value: unknown, what: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw internal(`Docker Engine answered without ${what}`)
}

/** A finite number; 0 for anything else. */
export function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

/** Elements of an array; none for anything else (engines send null for empty lists). */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The strings of an array. A single string counts as one: old images hold commands like that. */
export function texts(value: unknown): string[] {
  if (typeof value === 'string') return value === '' ? [] : [value]
  return list(value).filter((element) => typeof element === 'string')
}

/** Those entries of an object whose values are strings. */
export function textMap(value: unknown): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [key, entry] of Object.entries(fields(value))) if (typeof entry === 'string') result[key] = entry
  return result
}

/** Milliseconds since 1970 of an RFC 3339 time; 0 for Go's zero time and for what is none. */
export function moment(value: unknown): number {
  const parsed = Date.parse(text(value))
  return Number.isNaN(parsed) || parsed < 0 ? 0 : parsed
}

/** `A=1` lines as a map; the last one of a name counts, and without `=` it takes the variable away. */
export function environmentMap(value: unknown): Record<string, string> {
  const result = new Map<string, string>()
  for (const line of texts(value)) {
    const at = line.indexOf('=')
    if (at > 0) result.set(line.slice(0, at), line.slice(at + 1))
    else if (at < 0) result.delete(line)
  }
  return Object.fromEntries(result)
}
