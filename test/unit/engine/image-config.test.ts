import { expect, test } from 'vitest'
import { originalConfig, wholeConfig, wouldInheritCommand } from '../../../src/engine/docker/image-config.ts'
import { environmentMap } from '../../../src/engine/docker/read.ts'

const image = { Config: { Cmd: ['sh'], Entrypoint: null, Env: ['PATH=/bin', 'OLD'], StopSignal: 'SIGQUIT' } }

test('the last line of a variable counts, also one that takes it away', () => {
  expect(environmentMap(['A=1', 'B=x=y', 'A', 'C', 'C=', 'D=1', '=E'])).toEqual({ B: 'x=y', C: '', D: '1' })
})

test('what a container was told beside its image is named once, without its value', () => {
  const told = { Env: ['PATH=/other', 'OLD=1', 'NEW=secret', 'NEW=again'], User: '5', WorkingDir: '/o' }
  expect(originalConfig(image, { Config: told })).toEqual({
    Env: ['PATH=/bin', 'OLD', 'NEW'],
    Cmd: ['sh'],
    Entrypoint: [],
    User: '0',
    WorkingDir: '/',
    StopSignal: 'SIGQUIT',
  })
  expect(originalConfig({}, {})).toEqual({ Env: [], Cmd: [], Entrypoint: [], User: '', WorkingDir: '', StopSignal: '' })
})

test('only what has neither command nor entrypoint takes the command of its container', () => {
  const container = { Config: { Cmd: ['x'] } }
  expect(wouldInheritCommand({ Cmd: [], Entrypoint: [] }, container)).toBe(true)
  expect(wouldInheritCommand({ Cmd: [], Entrypoint: ['in'] }, container)).toBe(false)
  expect(wouldInheritCommand({ Cmd: [], Entrypoint: [] }, { Config: { Cmd: null } })).toBe(false)
})

test('an image without a past has no variable to take away', () => {
  expect(wholeConfig(image)).toEqual({ Cmd: ['sh'], Env: ['PATH=/bin'], StopSignal: 'SIGQUIT' })
})
