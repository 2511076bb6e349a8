import { expect, test } from 'vitest'
import { decideConsent } from '../../../src/setup/consent.ts'

test.each([
  { env: {}, yes: false, isInteractive: true, consent: 'ask' },
  { env: {}, yes: false, isInteractive: false, consent: 'go' },
  { env: {}, yes: true, isInteractive: true, consent: 'go' },
  { env: { CI: 'true' }, yes: false, isInteractive: true, consent: 'go' },
  { env: { CI: 'false' }, yes: false, isInteractive: true, consent: 'ask' },
  { env: { CI: '' }, yes: false, isInteractive: true, consent: 'ask' },
  { env: { WINDLASS_SETUP: 'off', CI: 'true' }, yes: true, isInteractive: false, consent: 'never' },
])('$consent with $env, yes=$yes, interactive=$isInteractive', ({ consent, ...facts }) => {
  expect(decideConsent(facts)).toBe(consent)
})
