import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { callApi, fieldOf } from '../../src/setup/api-client.ts'
import type { TestWindlass } from '../support/windlass.ts'
import { hebergos, HEX, NOBODY, start } from './hebergos-kit.ts'

let windlass: TestWindlass
const { ask, make, makeRunning, makeForeign, inspected, sh, listed, clear, lastRoot } = hebergos(() => windlass)

beforeAll(async () => {
  windlass = await start()
})

afterAll(async () => {
  await using _ = windlass
  // The framework's word for an answer that was given twice.
  expect(windlass.api.output()).not.toContain('already sent')
})
afterEach(clear)

describe('lists', () => {
  test('of the first revision are flat, under the ids as they were written', async () => {
    const id = await makeRunning('my_web.1')
    const { Id: engineId, State } = await inspected('my-web-1')
    expect(id).toMatch(HEX)
    for (const reference of [id, id.slice(0, 12), engineId, engineId.slice(0, 12), 'my_web.1', 'my-web-1'])
      await ask(`GET /v1/container/?id=${reference}`, 200, { [reference]: { name: '/my_web.1', state: 'running' } })
    const { body } = await ask(`GET /v1/container/`, 200)
    expect(body).toEqual({ [id]: { name: '/my_web.1', state: 'running', started_at: expect.any(Number) } })
    const startedAt = Date.parse(State.StartedAt)
    expect(fieldOf(fieldOf(body, id), 'started_at')).toBe(Math.floor(startedAt / 1000))
    await ask(`GET /v1/container/?id=${id}&id=nope`, 412, NOBODY)
    await ask('GET /v1/container/?id=nope', 412, NOBODY)
    await ask('GET /v1/container/?id=__proto__', 412)
  })

  test('of later revisions tell what was not found', async () => {
    const id = await make('web1', { ports: ['4080', '53/udp'] })
    const ports = { '22/tcp': {}, '80/tcp': {}, '443/tcp': {}, '4080/tcp': {}, '53/udp': {} }
    const entry = {
      name: '/web1',
      state: 'created',
      exit_code: 0,
      dockerlink: 'v0.0.1',
      host_port_root: String(lastRoot()),
      ports,
    }
    const { body } = await ask(`GET /v1/container?id=${id}&id=nope`, 200)
    expect(body).toEqual({ success: { [id]: entry }, error: { nope: NOBODY } })
  })

  test('tell the state in the words of the engine, and how a container ended', async () => {
    const [running, killed, frozen] = await Promise.all(['r1', 'k1', 'f1'].map((name) => makeRunning(name)))
    await make('c1')
    await windlass.operate('PUT', '/1.0/instances/k1/state', { action: 'stop', force: true })
    await windlass.operate('PUT', '/1.0/instances/f1/state', { action: 'freeze' })
    await makeForeign('made_by.others')
    const states = Object.values(await listed()).map(({ name, state }) => `${name} ${state}`)
    expect(states.toSorted()).toEqual([
      '/c1 created',
      '/f1 paused',
      '/k1 exited',
      '/made_by.others created',
      '/r1 running',
    ])
    await ask(`GET /v1/container/?id=${killed}`, 200, { [String(killed)]: { exit_code: 137 } })
    const keys = async (path: string, field?: string) => {
      const { body } = await ask(`GET ${path}`, 200)
      return Object.keys(Object(field === undefined ? body : fieldOf(body, field))).toSorted()
    }
    const alive = [running, frozen].map(String).toSorted()
    expect(await keys('/v1/container/?running=true')).toEqual(alive)
    expect(await keys('/v1/container/?running=false')).toHaveLength(5)
    expect(await keys('/v1/container?running=true', 'success')).toEqual(alive)
    expect(await keys('/v1/container?running=false', 'success')).toHaveLength(3)
    expect(await keys(`/v1/container/?running=true&id=${killed}`)).toEqual([killed])
  })

  test('keep ids and names through a rename and a restore', async () => {
    const id = await make('my_web')
    await windlass.operate('POST', '/1.0/instances/my-web/snapshots', { name: 's0' })
    await windlass.operate('PUT', '/1.0/instances/my-web', { restore: 's0' })
    await windlass.operate('POST', '/1.0/instances/my-web', { name: 'other' })
    await ask('GET /v1/container/?id=other', 200, { other: { name: '/my_web' } })
    expect(Object.keys(await listed())).toEqual([id])
  })
})

describe('life', () => {
  test('start and stop are 204, also where there is nothing to do; restart only where it runs', async () => {
    const id = await make('web1')
    await ask(`POST /v1/container/restart?id=${id}`, 406, 'Not running')
    await ask(`POST /v1/container/start/?id=${id}`, 204, '')
    await ask('POST /v1/container/start?id=web1', 204, '')
    const startedAt = async () => (await inspected('web1')).State.StartedAt
    const before = await startedAt()
    await ask(`POST /v1/container/restart?id=${id}`, 204, '')
    expect(await startedAt()).not.toBe(before)
    await ask('GET /v1/container/?id=web1', 200, { web1: { state: 'running' } })
    await ask(`POST /v1/container/stop?id=${id}`, 204, '')
    await ask(`POST /v1/container/stop/?id=${id}`, 204, '')
    for (const action of ['start', 'stop', 'restart']) await ask(`POST /v1/container/${action}?id=nope`, 412, NOBODY)
    const operations = (await windlass.call('GET', '/1.0/operations?recursion=1')).text
    expect(operations).toContain('Starting instance')
  })

  test('a paused one does not start, but stops', async () => {
    const id = await makeRunning('web1')
    await windlass.operate('PUT', '/1.0/instances/web1/state', { action: 'freeze' })
    await ask(`POST /v1/container/start?id=${id}`, 406, 'cannot start a paused container')
    await ask(`POST /v1/container/stop?id=${id}`, 204)
    await ask(`GET /v1/container/?id=${id}`, 200, { [id]: { state: 'exited' } })
  })

  test('one that does not stop is killed after ten seconds; who does not wait that long is told where to look', async () => {
    const { socket } = await windlass.startApi({ WINDLASS_SYNC_WAIT: '1', WINDLASS_HTTP: 'off' })
    const id = await makeRunning('web1', { commands: ['trap "" TERM', 'while true; do sleep 1; done'] })
    const answer = await callApi(socket, { method: 'POST', path: `/v1/container/stop?id=${id}` })
    expect(answer).toMatchObject({ status: 504, text: expect.stringContaining('goes on') })
    const operation = String(answer.headers.location)
    const ended = await windlass.call('GET', `${operation}/wait`)
    expect(fieldOf(ended.body, 'metadata')).toMatchObject({ status: 'Success' })
    await ask(`GET /v1/container/?id=${id}`, 200, { [id]: { state: 'exited', exit_code: 137 } })
  })

  test('containers made by others are read, started and stopped', async () => {
    await makeForeign('made_by.others')
    const list = await listed()
    const [id = ''] = Object.keys(list)
    expect(list).toEqual({ [id]: { name: '/made_by.others', state: 'created', exit_code: 0 } })
    await ask('POST /v1/container/start?id=made_by.others', 204)
    const { body } = await ask(`GET /v1/container?id=${id}`, 200)
    expect(fieldOf(fieldOf(body, 'success'), id)).toMatchObject({
      state: 'running',
      dockerlink: 'not_dockerlink',
      host_port_root: null,
    })
    await ask(`GET /v1/git?id=${id}`, 412, 'Command not found')
    await ask(`GET /v1/git/head?id=${id}`, 412, /git/)
    await ask(`POST /v1/container/restart?id=${id}`, 403, /made by others/)
    await ask(`PATCH /v1/container?id=${id}`, 403, /made by others/, { memory: 1 })
    await ask(`POST /v1/container/stop?id=${id}`, 204)
    await ask(`DELETE /v1/container?id=${id}`, 403, /made by others/)
  })
})

describe('creation and changes', () => {
  const good = { name: 'web1', host_port_root: 20_000, memory: 0.25, cpulimit: 1.5 }

  test('what is asked for is there, and its commands run at each start', async () => {
    const id = await makeRunning('web1', {
      cpulimit: 0.5,
      commands: ["echo 'it''s' > /greeting", 'echo two >> /greeting'],
    })
    const { HostConfig, Config } = await inspected('web1')
    expect(HostConfig).toMatchObject({ Memory: 2 ** 27, CpuQuota: 50_000 })
    expect(HostConfig.PortBindings['22/tcp']).toMatchObject([{ HostPort: String(lastRoot() + 22) }])
    expect(Config.WorkingDir).toBe('/var/www/html')
    await sh('web1', 'test "$(cat /greeting)" = "$(printf \'its\\ntwo\')"')
    await ask(`PATCH /v1/container?id=${id}`, 200, { Warnings: null }, { memory: 0.5, cpulimit: 1.5 })
    const changed = await inspected('web1')
    expect(changed.HostConfig).toMatchObject({ Memory: 2 ** 29, CpuQuota: 150_000 })
    await ask(`DELETE /v1/container?id=${id}`, 412, 'docker needs to be stopped before deleting it')
    await ask(`POST /v1/container/stop?id=${id}`, 204)
    await ask(`DELETE /v1/container/?id=${id}&deletevolume=false`, 204, '')
    await ask(`DELETE /v1/container?id=${id}`, 412, `Error: No such container: ${id}`)
  })

  test.each([
    [{ name: undefined }, 'missing name'],
    [{ name: '-x' }, 'Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'],
    [{ host_port_root: undefined }, 'missing host_port_root'],
    [{ host_port_root: 1.5 }, 'invalid host_port_root 1.5'],
    [{ host_port_root: 65_500 }, /leaves no port on the host/],
    [{ memory: undefined }, 'missing memory'],
    [{ memory: '1' }, /memory must be number/],
    [{ memory: 0.001 }, /at least/],
    [{ cpulimit: undefined }, 'missing cpulimit'],
    [{ cpulimit: -1 }, 'invalid cpulimit -1'],
    [{ ports: ['5000/tcp'] }, 'port area size is 5000'],
    [{ ports: ['a'] }, 'invalid port a'],
    [{ ports: ['1;rm'] }, 'invalid port 1;rm'],
    [{ commands: 'true' }, /commands must be array/],
  ])('%j is refused', async (change, words) => {
    await ask('PUT /v1/container', 400, words, { ...good, ...change })
  })

  test('an image that is not there, and a name or a port that is taken, are refused', async () => {
    await ask('PUT /v1/container', 412, 'Image alias not found', { ...good, image: 'NOT THERE' })
    await make('web_1')
    await ask('PUT /v1/container', 409, 'Conflict. The container name "/web_1" is already in use', {
      ...good,
      name: 'web_1',
    })
    const other = await make('web2', { host_port_root: lastRoot() })
    await ask('POST /v1/container/start?id=web_1', 204)
    const taken = /^Failed to listen on 0\.0\.0\.0:\d+: address already in use$/
    await ask(`POST /v1/container/start?id=${other}`, 409, taken)
    await ask('POST /v1/container/stop?id=web_1', 204)
    await ask(`POST /v1/container/start?id=${other}`, 204)
    expect(Object.values(await listed()).map(({ name }) => name)).toEqual(['/web_1', '/web2'])
  })

  test('the same request with the same Idempotency-Key makes one container', async () => {
    const headers = { 'idempotency-key': 'once' }
    const first = await windlass.call('PUT', '/v1/container', good, headers)
    const second = await windlass.call('PUT', '/v1/container', good, headers)
    expect(first).toMatchObject({ status: 200, body: { Id: expect.stringMatching(HEX) } })
    expect(second).toMatchObject({ status: 200, body: first.body })
    expect(await windlass.call('PUT', '/v1/container', { ...good, memory: 1 }, headers)).toMatchObject({
      status: 422,
      text: 'This Idempotency-Key was used for another request',
    })
    const id = fieldOf(first.body, 'Id')
    for (let time = 0; time < 2; time++)
      expect(
        await windlass.call('DELETE', `/v1/container?id=${String(id)}`, undefined, { 'idempotency-key': 'gone' }),
      ).toMatchObject({
        status: 204,
        text: '',
      })
  })
})
