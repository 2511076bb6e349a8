import { expect, test } from 'vitest'
import { SetupError } from '../../../src/setup/host.ts'
import { token } from '../../../src/setup/token.ts'

test('without a server it says in one sentence what to do', async () => {
  const asked = token('/nowhere/unix.socket', ['list'], () => undefined)
  await expect(asked).rejects.toThrow(SetupError)
  await expect(asked).rejects.toThrow(/^No Windlass answers at \/nowhere\/unix.socket .*: start it with "npm start"/)
})
