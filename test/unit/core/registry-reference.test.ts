import { expect, test } from 'vitest'
import { looksLikeReference, parseRegistryReference } from '../../../src/core/registry-reference.ts'

const digest = `sha256:${'a'.repeat(64)}`

test.each([
  ['alpine', 'alpine:latest'],
  ['alpine:3.20', 'alpine:3.20'],
  ['library/alpine', 'library/alpine:latest'],
  ['registry.example:5000/team/web-app_1:v1.0', 'registry.example:5000/team/web-app_1:v1.0'],
  ['localhost/x', 'localhost/x:latest'],
  ['myhost:5000/x', 'myhost:5000/x:latest'],
  [`ghcr.io/a/b:1@${digest}`, `ghcr.io/a/b@${digest}`],
])('%s is %s', (text, reference) => {
  expect(parseRegistryReference(text)).toBe(reference)
})

test.each([
  '',
  ':',
  'UPPER',
  'a//b',
  '/a',
  'a/',
  'a:',
  'a:b:c',
  '../a',
  'a/../b',
  'a b',
  'a\n',
  'a?b=c',
  `a@sha256:12`,
  '--help',
])('%j is no reference', (text) => {
  expect(parseRegistryReference(text)).toBeUndefined()
})

test('a bare word is an alias that is missing, not a reference', () => {
  expect(['nosuchimage', 'alpine:3.20', 'team/web', 'Bad:Name!'].map(looksLikeReference)).toEqual([
    false,
    true,
    true,
    false,
  ])
})
