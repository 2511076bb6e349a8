import { expect, test } from 'vitest'
import { remedyOf, startPriority, wantsPower, type Rest } from '../../../src/core/power.ts'

const ENGINE_START = 1_000
const before: Rest = { created: 100, finishedAt: 900, exitCode: 255 }
const after: Rest = { created: 100, finishedAt: 1_100, exitCode: 0 }
const neverRan: Rest = { created: 100, finishedAt: 0, exitCode: 0 }
const running = { power: 'running', boot: 'application' } as const
const stopped = { power: 'stopped', boot: 'application' } as const
const system = { power: 'running', boot: 'systemd' } as const
const on = { 'boot.autostart': 'true' }
const off = { 'boot.autostart': 'false' }

test.each([
  { what: 'died with the engine', record: running, config: {}, rest: before, remedy: 'start' },
  { what: 'has no end', record: running, config: {}, rest: neverRan, remedy: 'start' },
  {
    what: 'died with the engine, and is not to be started',
    record: running,
    config: off,
    rest: before,
    remedy: 'settle',
  },
  { what: 'died while the engine stayed up', record: running, config: {}, rest: after, remedy: 'settle' },
  {
    what: 'died while the engine stayed up, although started with it',
    record: running,
    config: on,
    rest: after,
    remedy: 'settle',
  },
  {
    what: 'a system rebooted from inside',
    record: system,
    config: {},
    rest: { ...after, exitCode: 129 },
    remedy: 'start',
  },
  {
    what: 'a system ended from inside',
    record: system,
    config: {},
    rest: { ...after, exitCode: 130 },
    remedy: 'settle',
  },
  {
    what: 'an application died by SIGHUP',
    record: running,
    config: {},
    rest: { ...after, exitCode: 129 },
    remedy: 'settle',
  },
  { what: 'was stopped before the engine came up', record: stopped, config: {}, rest: before, remedy: 'none' },
  {
    what: 'was stopped before the engine came up, and starts with it',
    record: stopped,
    config: on,
    rest: before,
    remedy: 'start',
  },
  {
    what: 'was made before the engine came up, and starts with it',
    record: stopped,
    config: on,
    rest: neverRan,
    remedy: 'start',
  },
  { what: 'was stopped since', record: stopped, config: on, rest: after, remedy: 'none' },
  { what: 'was made since', record: stopped, config: on, rest: { ...neverRan, created: 1_200 }, remedy: 'none' },
] as const)('$what', ({ record, config, rest, remedy }) => {
  expect(remedyOf(record, config, rest, ENGINE_START)).toBe(remedy)
})

test('only what asks for power is looked at', () => {
  const asked = [wantsPower(running, {}), wantsPower(stopped, on), wantsPower(stopped, off), wantsPower(stopped, {})]
  expect(asked).toEqual([true, true, false, false])
})

test('a priority that is none counts as 0', () => {
  expect(['5', '-1', '', 'x'].map((text) => startPriority({ 'boot.autostart.priority': text }))).toEqual([5, -1, 0, 0])
})
