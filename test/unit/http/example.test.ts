import { Type } from 'typebox'
import { expect, test } from 'vitest'
import { Sync } from '../../../src/contract/envelope.ts'
import { named, namedSchemas, ref } from '../../../src/contract/named.ts'
import { exampleOf } from '../../../src/http/example.ts'

test('an example is the schema’s own, or put together from its parts', () => {
  const thing = named('ThingOfATest', Type.Object({ name: Type.String({ examples: ['c1'] }), size: Type.Integer() }))
  expect(namedSchemas().get('ThingOfATest')).toBe(thing)
  expect(exampleOf(Sync(Type.Array(ref(thing))))).toEqual({
    type: 'sync',
    status: 'Success',
    status_code: 200,
    operation: '',
    error_code: 0,
    error: '',
    metadata: [{ name: 'c1', size: 0 }],
  })
  expect(
    exampleOf(Type.Object({ a: Type.Union([Type.Null(), Type.String()]), b: Type.Boolean(), c: Type.String() })),
  ).toEqual({
    a: null,
    b: false,
    c: '',
  })
})

test('only a named schema can be referred to', () => {
  expect(() => ref(Type.String())).toThrow('named')
})
