import { describe, expect, test } from 'vitest'
import { limitsOf } from '../../../src/core/limits.ts'

const host = { cpus: 4, memoryBytes: 8 * 2 ** 30 }
const none = { cpuQuota: 0, cpuShares: 0, cpuSet: '', memoryBytes: 0, swapBytes: -1, processes: 0 }

describe('limitsOf', () => {
  test.each([
    [{}, {}],
    [{ 'limits.cpu': '2' }, { cpuQuota: 200_000 }],
    [{ 'limits.cpu': '4' }, {}],
    [{ 'limits.cpu': '64' }, {}],
    [{ 'limits.cpu': '0-1,3' }, { cpuSet: '0-1,3' }],
    [{ 'limits.cpu.allowance': '50%' }, { cpuShares: 512 }],
    [{ 'limits.cpu.allowance': '25ms/100ms' }, { cpuQuota: 25_000 }],
    [{ 'limits.cpu.allowance': '10ms/200ms' }, { cpuQuota: 5000 }],
    [{ 'limits.cpu': '1', 'limits.cpu.allowance': '150ms/100ms' }, { cpuQuota: 100_000 }],
    [{ 'limits.cpu.priority': '0' }, { cpuShares: 1014 }],
    [{ 'limits.memory': '128MiB' }, { memoryBytes: 2 ** 27, swapBytes: 2 ** 27 }],
    [{ 'limits.memory': '50%' }, { memoryBytes: 2 ** 32, swapBytes: 2 ** 32 }],
    [
      { 'limits.memory': '128MiB', 'limits.memory.swap': 'false' },
      { memoryBytes: 2 ** 27, swapBytes: 0 },
    ],
    [
      { 'limits.memory': '128MiB', 'limits.memory.swap': '1GiB' },
      { memoryBytes: 2 ** 27, swapBytes: 2 ** 30 },
    ],
    [{ 'limits.memory.swap': 'false' }, {}],
    [{ 'limits.processes': '100' }, { processes: 100 }],
    [{ 'limits.cpu': '', 'limits.memory': '', 'limits.processes': '' }, {}],
  ])('%j', (config, limits) => {
    expect(limitsOf(config, host)).toEqual({ ...none, ...limits })
  })

  test('a processor that is not there is refused', () => {
    expect(() => limitsOf({ 'limits.cpu': '3-4' }, host)).toThrow('the engine has the processors 0 to 3')
  })

  test('so is less memory than the engine takes', () => {
    expect(() => limitsOf({ 'limits.memory': '1%' }, { cpus: 1, memoryBytes: 2 ** 28 })).toThrow('limits.memory is 1%')
  })
})
