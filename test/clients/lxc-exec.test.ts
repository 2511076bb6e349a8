/** LXD's own command line running commands in instances. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LXC, startLxc, type LxcOnWindlass } from '../support/lxc.ts'

describe.skipIf(LXC === undefined)('lxc exec', () => {
  let lxc: LxcOnWindlass
  beforeAll(async () => {
    lxc = await startLxc()
    await lxc.ok('launch', 'busybox', 'c1')
  })
  afterAll(() => lxc?.[Symbol.asyncDispose]())

  test('runs a command and tells what it says', async () => {
    expect(await lxc.run(['exec', 'c1', '--', 'sh', '-c', 'echo out; echo err >&2'])).toMatchObject({
      code: 0,
      stdout: 'out\n',
      stderr: expect.stringMatching(/err\n$/),
    })
  })

  test('hands over what is on standard input, and its end', async () => {
    expect(await lxc.feed('three\nlines\nhere\n', 'exec', 'c1', '--', 'wc', '-l')).toBe('3\n')
  })
})
