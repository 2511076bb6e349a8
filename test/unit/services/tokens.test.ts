import { expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { TokenRecord } from '../../../src/contract/records.ts'
import type { RecordStore } from '../../../src/core/ports.ts'
import { SERVER } from '../../../src/services/caller.ts'
import { createGuesses } from '../../../src/services/guesses.ts'
import { createTokens } from '../../../src/services/tokens.ts'
import { absent } from '../../support/absent.ts'

test('a secret that was admitted twice at once is worth nothing when it is revoked', async () => {
  const kept = new Map<string, TokenRecord>()
  const records = absent<RecordStore>('records', {
    list: (async () => [...kept.values()]) as unknown as RecordStore['list'], // only tokens are listed
    get: (async (_noun: string, uuid: string) => kept.get(uuid)) as RecordStore['get'], // likewise
    write: async ({ changes }) => {
      for (const change of changes)
        if (change.change === 'put') kept.set(change.record.uuid, change.record as TokenRecord)
        else kept.delete(change.uuid)
      return { outcome: 'written' }
    },
  })
  const guesses = createGuesses({ clock: systemClock, burst: 10, every: 1_000 })
  const tokens = createTokens({ records, clock: systemClock, guesses })
  await Promise.all([tokens.admit(SERVER, 'geheim', ''), tokens.admit(SERVER, 'geheim', '')])
  expect(kept.size).toBe(2)
  expect(await tokens.authenticate('geheim', '127.0.0.1')).toMatchObject({ role: 'operator' })
  await tokens.revoke(SERVER, 'geheim')
  expect(await tokens.authenticate('geheim', '127.0.0.1')).toBeUndefined()
})
