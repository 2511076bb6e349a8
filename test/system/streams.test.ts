import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askStreams, openStream, Refused, type OpenedStreams, type StreamSocket } from '../support/stream-client.ts'
import { staticBusybox } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { residentOf } from '../support/processes.ts'

// Execs and consoles over websockets, at two API processes. The real lxc is in test/clients.

let windlass: TestWindlass
/** Another API process of the same deployment. */
let other: string

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_ATTACH_WITHIN: '20' } })
  other = (await windlass.startApi()).socket
  await publishStarterImage(windlass.socket, await staticBusybox())
  const source = { type: 'image', alias: 'busybox' }
  await windlass.operate('POST', '/1.0/instances', { name: 'c1', source, start: true })
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

const exec = (command: string[], more: object = {}, deployment = windlass): Promise<OpenedStreams> =>
  askStreams(deployment, '/1.0/instances/c1/exec', { command, 'wait-for-websocket': true, ...more })
const sh = (script: string, more: object = {}) => exec(['sh', '-c', script], more)

interface Process {
  stdin: StreamSocket
  stdout: StreamSocket
  stderr: StreamSocket
}

async function openThree({ open }: OpenedStreams, at?: string): Promise<Process> {
  const [stdin, stdout, stderr] = await Promise.all([open('0', at), open('1', at), open('2', at)])
  return { stdin, stdout, stderr }
}

/** Whether a process whose command line begins so runs in the instance. */
async function runs(line: string): Promise<boolean> {
  const command = ['sh', '-c', 'ps -o args | grep -q "^$1"', 'sh', line]
  return (await windlass.operate('POST', '/1.0/instances/c1/exec', { command })).metadata?.['return'] === 0
}

const refusal = async (asked: Promise<unknown>): Promise<unknown> => {
  const thrown: unknown = await asked.catch((error: unknown) => error)
  return thrown instanceof Refused ? [thrown.status, thrown.message] : thrown
}

describe('an exec', () => {
  test('runs when three websockets are there, marks the ends of its output and tells its code', async () => {
    const opened = await sh('echo out; echo err >&2; exit 3', { environment: { A: 'b' } })
    expect(opened.fds).toEqual({
      '0': expect.stringMatching(/^[0-9a-f]{64}$/),
      '1': expect.any(String),
      '2': expect.any(String),
      control: expect.any(String),
    })
    const { stdout, stderr } = await openThree(opened)
    expect([(await stdout.marked).toString(), (await stderr.marked).toString()]).toEqual(['out\n', 'err\n'])
    expect(await Promise.all([stdout.closed, stderr.closed])).toEqual([1000, 1000])
    expect(await opened.ended()).toMatchObject({
      status: 'Success',
      class: 'websocket',
      description: 'Executing command',
      metadata: { return: 3, interactive: false, environment: { A: 'b', HOME: '/root' } },
      resources: { instances: ['/1.0/instances/c1'], containers: ['/1.0/containers/c1'] },
    })
    expect((await opened.ended()).metadata).not.toHaveProperty('fds')
  })

  test('input and its end that come before it runs are kept', async () => {
    const opened = await exec(['cat'])
    const stdin = await opened.open('0')
    stdin.send(Buffer.from('early'))
    stdin.end()
    stdin.send(Buffer.from('too late'))
    const [stdout] = await Promise.all([opened.open('1'), opened.open('2')])
    expect((await stdout.marked).toString()).toBe('early')
    expect((await opened.ended()).metadata).toMatchObject({ return: 0 })
  })

  test('websockets in any order, and messages nobody knows', async () => {
    const opened = await sh('trap "exit 7" USR1; echo ready; while :; do sleep 0.1; done')
    const control = await opened.open('control')
    for (const message of ['no JSON', '[]', 'null', '{"command": "dance"}', '{"command": "signal", "signal": 999}', ''])
      control.send(message)
    control.send(Buffer.from('{"command":"signal","signal":9}'))
    const stderr = await opened.open('2')
    stderr.send(Buffer.from('nobody reads this'))
    const stdout = await opened.open('1')
    await opened.open('0')
    await stdout.until((said) => said === 'ready\n')
    control.send('{"command": "signal", "signal": 10}')
    expect((await opened.ended()).metadata).toMatchObject({ return: 7 })
  })

  test('a frame that is too large ends that websocket alone', async () => {
    const opened = await exec(['wc', '-c'])
    const { stdin, stdout } = await openThree(opened)
    stdin.send(Buffer.alloc(1000))
    stdin.send(Buffer.alloc(2 * 1024 * 1024))
    expect(await stdin.closed).toBe(1009)
    expect((await stdout.marked).toString()).toBe('1000\n')
    expect((await opened.ended()).metadata).toMatchObject({ return: 0 })
  })

  test('only its secrets open its websockets, each once, until it ends', async () => {
    const opened = await exec(['cat'])
    const { id, fds } = opened
    for (const at of [windlass.socket, other]) {
      expect(await refusal(openStream(at, id, ''))).toEqual([400, 'missing secret'])
      expect(await refusal(openStream(at, id, 'wrong'))).toEqual([403, 'permission denied'])
      expect(await refusal(openStream(at, id, '0'.repeat(64)))).toEqual([403, 'permission denied'])
      const unknown = id.replace(/.$/, id.endsWith('0') ? '1' : '0')
      expect(await refusal(openStream(at, unknown, fds['0'] ?? ''))).toEqual([404, 'Operation not found'])
    }
    const { stdin } = await openThree(opened)
    for (const at of [windlass.socket, other])
      expect(await refusal(opened.open('0', at))).toEqual([403, 'permission denied'])
    const plain = await windlass.call('GET', `/1.0/operations/${id}/websocket?secret=${fds['control']}`)
    expect([plain.status, fieldOf(plain.body, 'error')]).toEqual([400, 'Upgrade to a websocket'])
    stdin.end()
    await opened.ended()
    for (const at of [windlass.socket, other])
      expect(await refusal(opened.open('control', at))).toEqual([403, 'permission denied'])
    const task = await windlass.operate('POST', '/1.0/instances/c1/exec', { command: ['true'] })
    expect(await refusal(openStream(windlass.socket, task.id, 'x'))).toEqual([403, 'permission denied'])
  })

  test('fails when its websockets do not come, and can then not be joined', async () => {
    const { socket } = await windlass.startApi({ WINDLASS_ATTACH_WITHIN: '1' })
    const late = await exec(['true'], {}, via(socket))
    const stdin = await late.open('0')
    expect(await late.ended()).toMatchObject({
      status: 'Failure',
      err: 'Timed out waiting for websockets to connect',
    })
    await stdin.closed
    expect(await refusal(late.open('1'))).toEqual([403, 'permission denied'])
  })

  test('ends with its client: by the control websocket, by all it speaks to, by its terminal', async () => {
    const controlled = await exec(['sleep', '4001'])
    const control = await controlled.open('control')
    const streams = await openThree(controlled)
    await expect.poll(() => runs('sleep 4001'), { timeout: 30_000 }).toBe(true)
    for (const { socket } of [control, streams.stdin, streams.stdout, streams.stderr]) socket.terminate()
    expect((await controlled.ended()).metadata).toMatchObject({ return: 143 })
    expect(await runs('sleep 4001')).toBe(false)

    const plain = await sh('trap "" TERM; sleep 4002; echo and more')
    const { stdout, stderr } = await openThree(plain)
    await expect.poll(() => runs('sleep 4002'), { timeout: 30_000 }).toBe(true)
    for (const { socket } of [stdout, stderr]) socket.terminate()
    expect((await plain.ended()).metadata).toMatchObject({ return: 137 })
    expect(await runs('sleep 4002')).toBe(false)

    const interactive = await sh('sleep 4003', { interactive: true })
    await interactive.open('control')
    const terminal = await interactive.open('0')
    await expect.poll(() => runs('sleep 4003'), { timeout: 30_000 }).toBe(true)
    terminal.socket.terminate()
    expect((await interactive.ended()).metadata).toMatchObject({ return: 129 })
    expect(await runs('sleep 4003')).toBe(false)
  })

  test('what was started from a terminal may outlive it', async () => {
    const opened = await sh('setsid sleep 4004 >/dev/null 2>&1 & echo started; cat', { interactive: true })
    const control = await opened.open('control')
    const terminal = await opened.open('0')
    await terminal.until((seen) => seen.includes('started'))
    control.socket.terminate()
    await opened.ended()
    expect(await runs('sleep 4004')).toBe(true)
    await windlass.operate('POST', '/1.0/instances/c1/exec', { command: ['killall', 'sleep'] })
  })

  test('its terminal follows the size it is told', async () => {
    const opened = await sh(
      'until stty size | grep -v "^0"; do :; done; until stty size | grep "^21"; do :; done; exit 5',
      { interactive: true, width: 90, height: 30 },
    )
    expect(Object.keys(opened.fds)).toEqual(['0', 'control'])
    const terminal = await opened.open('0')
    const control = await opened.open('control')
    await terminal.until((seen) => seen.includes('30 90\r\n'))
    control.send('{"command": "window-resize", "args": {"width": "81", "height": "21"}}')
    await terminal.until((seen) => seen.includes('21 81\r\n'))
    expect((await opened.ended()).metadata).toMatchObject({ return: 5, interactive: true })
  })

  test('is cancelled at any API process', async () => {
    const opened = await exec(['sleep', '4005'])
    const { stdout } = await openThree(opened)
    await expect.poll(() => runs('sleep 4005'), { timeout: 30_000 }).toBe(true)
    expect((await via(other).call('DELETE', `/1.0/operations/${opened.id}`)).status).toBe(200)
    expect(await opened.ended()).toMatchObject({ status: 'Cancelled', err: 'Operation was cancelled' })
    await stdout.closed
    expect(await runs('sleep 4005')).toBe(false)
    const waiting = await exec(['true'])
    await windlass.call('DELETE', `/1.0/operations/${waiting.id}`)
    expect(await waiting.ended()).toMatchObject({ status: 'Cancelled' })
  })

  test('websockets opened at another process are passed on', async () => {
    const opened = await sh('cat; echo end >&2')
    const { stdin, stdout, stderr } = await openThree(opened, other)
    const sent = Buffer.alloc(3_000_000, 'passed on ')
    for (let from = 0; from < sent.length; from += 100_000) stdin.send(sent.subarray(from, from + 100_000))
    stdin.end()
    expect((await stdout.marked).equals(sent)).toBe(true)
    expect((await stderr.marked).toString()).toBe('end\n')
    expect((await opened.ended()).metadata).toMatchObject({ return: 0 })
  })

  test('a reader that stops reading holds up its own process and nothing else', async () => {
    const opened = await exec(['head', '-c', '150000000', '/dev/zero'])
    const [stdout] = await Promise.all([opened.open('1'), opened.open('2'), opened.open('0')])
    await stdout.until((received) => received.length > 0)
    stdout.socket.pause()
    const before = await residentOf(windlass.api.pid)
    for (let round = 0; round < 20; round++) expect((await windlass.call('GET', '/1.0')).status).toBe(200)
    expect(await runs('head -c 150000000')).toBe(true)
    expect((await residentOf(windlass.api.pid)) - before).toBeLessThan(60_000_000)
    stdout.socket.resume()
    expect(await stdout.marked).toHaveLength(150_000_000)
    expect((await opened.ended()).metadata).toMatchObject({ return: 0 })
    const unread = await exec(['head', '-c', '150000000', '/dev/zero'])
    const sockets = await openThree(unread)
    sockets.stdout.socket.pause()
    for (const { socket } of Object.values(sockets)) socket.terminate()
    await unread.ended()
  })

  test('the same Idempotency-Key gives the same websockets', async () => {
    const body = { command: ['cat'], 'wait-for-websocket': true }
    const ask = () => askStreams(windlass, '/1.0/instances/c1/exec', body, { 'idempotency-key': 'streams' })
    const [first, again] = [await ask(), await ask()]
    expect([again.id, again.fds]).toEqual([first.id, first.fds])
    const { stdin } = await openThree(again)
    stdin.end()
    expect((await first.ended()).metadata).toMatchObject({ return: 0 })
  })

  test('without websockets it needs nobody, and no terminal', async () => {
    const asked = { command: ['sh', '-c', 'tty; exit 6'], interactive: true }
    const ended = await windlass.operate('POST', '/1.0/instances/c1/exec', asked)
    expect(ended).toMatchObject({ class: 'task', status: 'Success', metadata: { return: 6 } })
  })

  test.each([
    [{ command: [] }, 'No command given'],
    [{ command: ['true'], width: -1 }, 'Invalid body: width must be >= 0'],
    [{ command: ['true'], user: -1 }, 'Invalid body: user must be >= 0'],
    [{ command: 'true' }, 'Invalid body: command must be array'],
  ])('%j is refused', async (body, error) => {
    const asked = askStreams(windlass, '/1.0/instances/c1/exec', { ...body, 'wait-for-websocket': true })
    expect(await refusal(asked)).toEqual([400, error])
  })
})

describe('a console', () => {
  const attach = (body: object = { type: 'console' }) => askStreams(windlass, '/1.0/instances/c1/console', body)

  test('shows what is typed and said, in its size, until it is left', async () => {
    const opened = await attach({ width: 77, height: 17, type: 'console' })
    const [control, screen] = [await opened.open('control'), await opened.open('0')]
    screen.send(Buffer.from('stty size; echo consol""es\n'))
    await screen.until((seen) => /17 77\r\nconsoles\r\n/.test(seen))
    control.send('{"command": "window-resize", "args": {"width": "66", "height": "16"}}')
    await expect.poll(() => shown('stty -F /proc/1/fd/0 size')).toContain('16 66')
    control.socket.close(1000, 'Detaching from console')
    expect(await screen.closed).toBe(1000)
    expect(await opened.ended()).toMatchObject({ status: 'Success', description: 'Showing console' })
  })

  test('ends when the instance stops, or the one websocket that is needed goes', async () => {
    const [left, stopped] = [await attach(), await attach()]
    const screens = [await left.open('0'), await stopped.open('0')] as const
    screens[0].socket.terminate()
    expect(await left.ended()).toMatchObject({ status: 'Success' })
    await windlass.operate('PUT', '/1.0/instances/c1/state', { action: 'stop', force: true })
    await screens[1].marked
    expect(await stopped.ended()).toMatchObject({ status: 'Success' })
    expect(await refusal(attach())).toEqual([400, 'Instance is not running'])
    const log = await windlass.call('GET', '/1.0/instances/c1/console')
    expect(log.text).toContain('consoles')
    expect((await windlass.call('DELETE', '/1.0/instances/c1/console')).status).toBe(200)
    expect((await windlass.call('GET', '/1.0/instances/c1/console')).text).toBe('')
    await windlass.operate('PUT', '/1.0/instances/c1/state', { action: 'start' })
    await expect.poll(async () => (await windlass.call('GET', '/1.0/instances/c1/console')).text).toContain('BusyBox')
  })

  test.each([
    [{ type: 'vga' }, 'VGA console is only supported by virtual machines'],
    [{ type: 'tape' }, 'Unknown console type "tape"'],
    [{ width: 'wide' }, 'Invalid body: width must be integer'],
  ])('%j is refused', async (body, error) => {
    expect(await refusal(attach(body))).toEqual([400, error])
  })
})

describe('an API process that ends', () => {
  test('in order, ends what it carries', async () => {
    const api = await windlass.startApi()
    const opened = await exec(['sleep', '4006'], {}, via(api.socket))
    await openThree(opened, api.socket)
    await expect.poll(() => runs('sleep 4006'), { timeout: 30_000 }).toBe(true)
    api.kill('SIGTERM')
    expect(await opened.ended()).toMatchObject({ status: 'Failure', err: 'The API process that ran it ended' })
    expect(await runs('sleep 4006')).toBe(false)
  })

  test('suddenly, has what it carried ended by another one', async () => {
    const api = await windlass.startApi()
    const [opened, waiting] = [
      await exec(['sleep', '4007'], {}, via(api.socket)),
      await exec(['true'], {}, via(api.socket)),
    ]
    await openThree(opened, api.socket)
    await expect.poll(() => runs('sleep 4007'), { timeout: 30_000 }).toBe(true)
    api.kill('SIGKILL')
    for (const one of [opened, waiting])
      expect(await one.ended()).toMatchObject({ status: 'Failure', err: 'The API process that ran it ended' })
    expect(await runs('sleep 4007')).toBe(false)
    expect(await refusal(opened.open('control'))).toEqual([403, 'permission denied'])
  })
})

/** The same deployment, asked at another API process; what has ended is asked for at the first. */
function via(socket: string): TestWindlass {
  return {
    ...windlass,
    call: (method, path, body) => callApi(socket, { method, path, ...(body === undefined ? {} : { body }) }),
  }
}

async function shown(script: string): Promise<string> {
  const opened = await sh(script)
  const { stdout } = await openThree(opened)
  return (await stdout.marked).toString()
}
