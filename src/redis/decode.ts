/** What is in Redis → values. It may have been written by another version, or damaged: records are checked. */
import Schema from 'typebox/schema'
import { type Noun, RECORDS, type RecordOf } from '../contract/records.ts'
import { internal } from '../core/failure.ts'
import type { Refusal } from '../core/ports.ts'

/** Field → value of a hash or of an entry of the log. */
export type Fields = Map<string, string>

/** Redis' flat list of names and values. */
export function toFields(flat: unknown): Fields {
  const list = toTexts(flat)
  const fields: Fields = new Map()
  for (let at = 0; at + 1 < list.length; at += 2) fields.set(list[at] ?? '', list[at + 1] ?? '')
  return fields
}

/** A list of texts; nil counts as the empty text. */
export function toTexts(answer: unknown): string[] {
  if (!Array.isArray(answer)) throw internal('Internal error', { cause: new Error('Redis did not answer with a list') })
  return answer.map((item: unknown) => (typeof item === 'string' || typeof item === 'number' ? String(item) : ''))
}

/** A record from its text; `rev` is kept beside it. Throws where it is of another version, or damaged. */
export function toRecord<N extends Noun>(noun: N, rev: string | number, body: string): RecordOf<N> {
  const read = readRecord(noun, rev, body)
  if ('unreadable' in read) throw internal(read.unreadable)
  return read.record
}

/** The same, with the reason as a value. */
export function readRecord<N extends Noun>(
  noun: N,
  rev: string | number,
  body: string,
): { record: RecordOf<N> } | { unreadable: string } {
  try {
    const record: RecordOf<N> = JSON.parse(body)
    refuseVersion(record)
    record.rev = Number(rev)
    const check = compiled(noun)
    if (check.Check(record)) return { record }
    throw new Error(describeFaults(check.Errors(record)[1]))
  } catch (thrown) {
    const fault = describeThrown(thrown)
    return { unreadable: `The stored ${noun} cannot be read: ${fault}` }
  }
}

type Check = {
  Check(value: unknown): boolean
  Errors(value: unknown): [boolean, { instancePath: string; message: string }[]]
}
const checks = new Map<Noun, Check>()

function compiled(noun: Noun): Check {
  const check = checks.get(noun) ?? Schema.Compile(RECORDS[noun])
  checks.set(noun, check)
  return check
}

/** The first thing that is wrong, in a few words. */
export function describeFaults(faults: { instancePath: string; message: string }[]): string {
  const [first] = faults
  return `${first?.instancePath || '/'} ${first?.message ?? 'is wrong'}`
}

/** What went wrong in reading, without what was read. */
export function describeThrown(thrown: unknown): string {
  if (thrown instanceof SyntaxError) return 'it is no JSON'
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The version of records that this version of Windlass writes, and the newest it reads. There was none before it. */
export const VERSION = 1

export function refuseVersion(stored: unknown): void {
  if (typeof stored !== 'object' || stored === null || !('v' in stored)) throw new Error('it is no record')
  const { v } = stored
  if (v !== VERSION)
    throw new Error(`it is of version ${String(v)}, and this version of Windlass reads versions up to ${VERSION}`)
}

/** The first word of a script's answer and what follows as a Refusal. */
export function toRefusal(answer: string[]): Refusal {
  const [outcome = '', first = '', second = '', third = '', fourth = '', fifth = ''] = answer
  switch (outcome) {
    case 'repeat': {
      const kept = third === '' ? undefined : { status: Number(third), location: fourth, body: fifth }
      return { outcome, fingerprint: first, operation: second, answer: kept }
    }
    case 'name-taken':
      return { outcome, claim: { noun: toNoun(first), scope: second, name: third } }
    case 'busy':
      return { outcome, key: first, action: second, operation: third }
    case 'changed':
      return { outcome, noun: toNoun(first), uuid: second }
    default:
      throw internal('Internal error', { cause: new Error(`A script answered "${outcome}"`) })
  }
}

/** A script's one-word answer. */
export function toWord<const W extends string>(words: readonly W[], answer: unknown): W {
  const word = words.find((candidate) => candidate === answer)
  if (word === undefined)
    throw internal('Internal error', { cause: new Error(`A script answered "${String(answer)}"`) })
  return word
}

export const NOUNS: readonly Noun[] = Object.keys(RECORDS).filter(isNoun)

export function toNoun(text: string): Noun {
  if (!isNoun(text)) throw internal(`Unknown noun "${text}" in the store`)
  return text
}

function isNoun(text: string): text is Noun {
  return Object.hasOwn(RECORDS, text)
}
