/** What our scripts wrote → values. The scripts are the only writers, so texts are parsed and not checked again. */
import type { Accepted, OperationRecord } from '../contract/operation-record.ts'
import { type Noun, RECORDS, type RecordOf } from '../contract/records.ts'
import { internal } from '../core/failure.ts'
import type { Refusal } from '../core/ports.ts'

const STATES = ['pending', 'running', 'success', 'failure', 'cancelled'] as const

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

/** An operation's hash, or its entry in the log. */
export function toOperation(fields: Fields): OperationRecord {
  const text = (name: string) => fields.get(name) ?? ''
  const number = (name: string) => Number(fields.get(name) ?? 0)
  const json = (name: string, absent: string) => JSON.parse(fields.get(name) ?? absent)
  const accepted: Accepted = JSON.parse(text('rec'))
  checkVersion(accepted, 'operation')
  return {
    ...accepted,
    state: toState(fields),
    epoch: number('epoch'),
    fence: number('fence'),
    attempts: number('attempts'),
    worker: text('worker'),
    started: number('started'),
    updated: number('updated'),
    ended: number('ended'),
    forward: text('forward') === '1',
    cancel: json('cancel', 'null'),
    progress: json('progress', 'null'),
    notes: JSON.parse(`[${text('notes')}]`),
    metadata: json('metadata', 'null'),
    err: text('err'),
    code: text('code'),
    undone: json('undone', '[]'),
    warnings: json('warnings', '[]'),
  }
}

export function toState(fields: Fields): OperationRecord['state'] {
  return toWord(STATES, fields.get('state'))
}

/** A record from its text; `rev` is kept beside it. */
export function toRecord<N extends Noun>(noun: N, rev: string | number, body: string): RecordOf<N> {
  const record: RecordOf<N> = JSON.parse(body)
  checkVersion(record, noun)
  return { ...record, rev: Number(rev) }
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

/** Another version was written by a newer Windlass. */
function checkVersion(stored: { v: number }, what: string): void {
  if (stored.v !== 1) throw internal(`Unknown version of a stored ${what}`)
}
