import { expect, test } from 'vitest'
import { demo } from '../../../src/setup/demo.ts'
import { SetupError } from '../../../src/setup/host.ts'
import { token } from '../../../src/setup/token.ts'

const SOCKET = '/nowhere/unix.socket'

test.each([
  ['token', () => token(SOCKET, ['list'], () => undefined)],
  ['demo', () => demo(SOCKET, () => undefined)],
])('without a server %s says in one sentence what to do', async (_name, ask) => {
  const asked = ask()
  await expect(asked).rejects.toThrow(SetupError)
  await expect(asked).rejects.toThrow(/^No Windlass answers at \/nowhere\/unix.socket .*: start it with "npm start"/)
})
