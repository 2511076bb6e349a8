import { Type, type TSchema } from 'typebox'
import { Async, Sync } from '../contract/envelope.ts'
import { ref } from '../contract/named.ts'
import { Operation } from '../contract/operation.ts'

/** The answers of a route that accepts work: 202, or 200 where it ended while `Prefer: wait` waited. */
export const ACCEPTED = { 200: Sync(ref(Operation)), 202: Async(ref(Operation)) }

/** The answer of a creation without an operation. */
export const CREATED = { 201: Sync(Type.Null()) }

/** The answer of a change without an operation. */
export const CHANGED = { 200: Sync(Type.Object({}, { description: 'Always empty.' })) }

/** A list: URLs, or objects with recursion. */
export const listOf = <S extends TSchema>(item: S) => ({
  200: Sync(Type.Union([Type.Array(Type.String(), { description: 'URLs.' }), Type.Array(item)])),
})

/** One object. */
export const oneOf = <S extends TSchema>(item: S) => ({ 200: Sync(item) })

/** One object with its entity tag, for `If-Match`. */
export const taggedOne = <S extends TSchema>(item: S) => ({
  200: {
    ...Sync(item),
    headers: { ETag: { type: 'string', description: 'What is read, for `If-Match` of a change.' } },
  },
})
