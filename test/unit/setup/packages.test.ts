import { expect, test } from 'vitest'
import { SetupError, type Terminal } from '../../../src/setup/host.ts'
import { changeMachine, planInstallation } from '../../../src/setup/packages.ts'

interface Spoken extends Terminal {
  readonly said: string[]
  readonly asked: string[]
  readonly ran: string[]
}

function speak(isInteractive: boolean, answer = true): Spoken {
  const said: string[] = []
  const asked: string[] = []
  const ran: string[] = []
  return {
    said,
    asked,
    ran,
    isInteractive,
    say: (text) => void said.push(text),
    ask: (question) => {
      asked.push(question)
      return Promise.resolve(answer)
    },
    run: (command) => {
      ran.push(command.join(' '))
      return Promise.resolve()
    },
  }
}

const commands = [['apt-get', 'update']]

test('the plan refreshes the lists and names each package once', () => {
  const plan = planInstallation(['engine', 'namespaces'], ['sudo']).map((command) => command.join(' '))
  expect(plan[0]).toBe('sudo apt-get update')
  expect(plan[1]).toMatch(/^sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y .*docker\.io/)
  expect(plan[1]?.match(/iproute2/g)).toHaveLength(1)
})

test('without a terminal the commands are shown and run', async () => {
  const terminal = speak(false)
  await changeMachine('It lacks X.', commands, [], { env: {}, terminal, yes: false })
  expect(terminal.said.join()).toContain('apt-get update')
  expect(terminal.asked).toEqual([])
  expect(terminal.ran).toEqual(['apt-get update'])
})

test('on a terminal a no runs nothing and says how to do it by hand', async () => {
  const terminal = speak(true, false)
  const change = changeMachine('It lacks X.', commands, [], { env: {}, terminal, yes: false })
  await expect(change).rejects.toThrow('It lacks X. When you like, run "apt-get update" yourself.')
  expect(terminal.asked).toHaveLength(1)
  expect(terminal.ran).toEqual([])
})

test('WINDLASS_SETUP=off runs nothing, even with --yes', async () => {
  const terminal = speak(false)
  const context = { env: { WINDLASS_SETUP: 'off' }, terminal, yes: true }
  await expect(changeMachine('It lacks X.', commands, [], context)).rejects.toThrow(SetupError)
  expect(terminal.ran).toEqual([])
})

test('without rights it says what to run', async () => {
  const terminal = speak(false)
  const change = changeMachine('It lacks X.', [['sudo', 'apt-get', 'update']], undefined, {
    env: {},
    terminal,
    yes: false,
  })
  await expect(change).rejects.toThrow(/root's rights.*run "sudo apt-get update" yourself/)
  expect(terminal.ran).toEqual([])
})
