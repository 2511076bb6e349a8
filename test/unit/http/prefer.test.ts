import type { FastifyRequest } from 'fastify'
import { expect, test } from 'vitest'
import { preferredWait } from '../../../src/http/prefer.ts'

test.each([
  ['wait=10', 10],
  ['respond-async, wait=10', 10],
  ['wait="5"; foo', 5],
  ['WAIT = 7', 7],
  ['await=10', undefined],
  ['wait=-1', undefined],
  ['wait=x', undefined],
  ['', undefined],
])('Prefer: %s', (prefer, seconds) => {
  const request = { headers: { prefer } } as unknown as FastifyRequest // only its headers are read
  expect(preferredWait(request)).toBe(seconds)
})
