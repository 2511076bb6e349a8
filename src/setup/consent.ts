import type { Environment } from './host.ts'

/** May set-up change this machine: without a question, after one, or not at all? */
export type Consent = 'go' | 'ask' | 'never'

/** What decides about it. */
export interface ConsentFacts {
  readonly env: Environment
  /** Was `--yes` given? */
  readonly yes: boolean
  readonly isInteractive: boolean
}

/** `WINDLASS_SETUP=off` wins over everything; a question is asked only where somebody can answer it. */
export function decideConsent({ env, yes, isInteractive }: ConsentFacts): Consent {
  if (env['WINDLASS_SETUP'] === 'off') return 'never'
  const isCi = env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false'
  if (yes || isCi || !isInteractive) return 'go'
  return 'ask'
}
