import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ApiAnswer, callApi, fieldOf } from '../../src/setup/api-client.ts'
import { busyboxPlaces } from '../../src/setup/busybox.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { findStaticBusybox } from '../../src/setup/starter-image.ts'
import { askEngine } from '../support/ask-engine.ts'
import { gitImageTar } from '../support/git-image.ts'
import { importTinyImage, TINY_IMAGE } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'
import { type Exchange, readDeviations, readRecorded } from './hebergos-recorded.ts'

let windlass: TestWindlass
const TOKEN = 'the-token-of-the-hebergos-tests'
const HEX = /^[0-9a-f]{64}$/
const REPOSITORY = '/srv/repo'
const NOBODY = 'Error: No such container: nope'

beforeAll(async () => {
  windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: TOKEN } })
  const busybox = await findStaticBusybox(busyboxPlaces('.cache'))
  await publishStarterImage(windlass.socket, busybox ?? '')
  await publishGitImage()
  await importTinyImage(windlass.engine.socket)
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

async function publishGitImage(): Promise<void> {
  const tar = await gitImageTar()
  const target = createHash('sha256').update(tar).digest('hex')
  expect(await windlass.operate('POST', '/1.0/images', tar)).toMatchObject({ status: 'Success' })
  expect((await windlass.call('POST', '/1.0/images/aliases', { name: 'git', target })).status).toBe(201)
}

type Shape = string | RegExp | object | undefined

/** `METHOD /path`: checks the status, and the body where a shape is given: a text as it is, JSON as far as it says. */
async function ask(request: string, status: number, shape?: Shape, body?: unknown): Promise<ApiAnswer> {
  const [method = '', path = ''] = request.split(' ')
  const answer = await windlass.call(method, path, body)
  expect(answer.status, `${request}: ${answer.text}`).toBe(status)
  if (typeof shape === 'string') expect(answer.text, request).toBe(shape)
  else if (shape instanceof RegExp) expect(answer.text, request).toMatch(shape)
  else if (shape !== undefined) expect(answer.body, request).toMatchObject(shape)
  if (answer.text !== '')
    expect(answer.headers['content-type'], request).toMatch(
      status === 200 ? /^(text\/plain|application\/json$)/ : /^text\/plain/,
    )
  return answer
}

/** Made as its users make one, on ports of its own; runs git's image. */
async function make(name: string, more: object = {}): Promise<string> {
  root += 500
  const body = { name, host_port_root: root, memory: 0.125, cpulimit: 1, image: 'git', commands: ['true'], ...more }
  const { body: made } = await ask('PUT /v1/container', 200, { Warnings: [] }, body)
  return String(fieldOf(made, 'Id'))
}
let root = 10_000

async function makeRunning(name: string, more: object = {}): Promise<string> {
  const id = await make(name, more)
  await ask(`POST /v1/container/start?id=${id}`, 204, '')
  return id
}

async function makeForeign(name: string, more: object = {}): Promise<void> {
  const body = { Image: TINY_IMAGE, Cmd: ['sleep', '1000'], ...more }
  const made = await askEngine(windlass.engine.socket, 'POST', `/containers/create?name=${name}`, body)
  expect(made.status, made.text).toBe(201)
  await expect.poll(async () => (await windlass.call('GET', `/v1/container/?id=${name}`)).status).toBe(200)
}

/** The container of an instance, in the engine's words. */
async function inspected(name: string) {
  return JSON.parse((await askEngine(windlass.engine.socket, 'GET', `/containers/${name}.lxd/json`)).text)
}

async function sh(name: string, script: string): Promise<void> {
  const ran = await windlass.operate('POST', `/1.0/instances/${name}/exec`, { command: ['sh', '-ec', script] })
  expect(ran.metadata, script).toMatchObject({ return: 0 })
}

const REPOSITORIES = `
export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=a@b
git init -q -b main /srv/origin; cd /srv/origin
echo one > file; git add file; git commit -q -m 'first commit'; git branch dev
git clone -q /srv/origin ${REPOSITORY}`

const listed = async (): Promise<Record<string, { name: string; state: string }>> =>
  Object((await windlass.call('GET', '/v1/container/')).body)

afterEach(async () => {
  for (const id of Object.keys(await listed())) {
    // Of others' containers the id is the engine's.
    await askEngine(windlass.engine.socket, 'DELETE', `/containers/${id}?force=true`)
    await windlass.call('POST', `/v1/container/stop?id=${id}`)
    await windlass.call('DELETE', `/v1/container?id=${id}`)
  }
  await expect.poll(listed).toEqual({})
})

describe('recorded exchanges', () => {
  async function seed(): Promise<Map<string, string>> {
    const [web, database, frozen] = await Promise.all([makeRunning('web1'), makeRunning('db1'), makeRunning('frozen1')])
    await sh('web1', REPOSITORIES)
    await windlass.operate('PUT', '/1.0/instances/db1/state', { action: 'stop', force: true })
    await windlass.operate('PUT', '/1.0/instances/frozen1/state', { action: 'freeze' })
    await makeForeign('plain')
    return new Map([
      ['a', web],
      ['b', database],
      ['d', frozen],
    ])
  }

  const NAMES = { a: '<WEB1>', b: '<DB1>' } as const
  const ids = /([a-d])\1{63}/g

  /** What differs, in words. */
  function compare({ status, contentType, text }: Exchange, answer: ApiAnswer): string[] {
    const wrong = answer.status === status ? [] : [`recorded ${status}, here ${answer.status}: ${answer.text}`]
    if (wrong.length > 0 || status >= 300) return wrong
    const [type = ''] = contentType.split(';')
    if (text !== '' && !answer.headers['content-type']?.startsWith(type)) wrong.push(`not ${type}`)
    if (type !== 'application/json') return wrong
    if (answer.body === undefined) return [...wrong, 'no JSON']
    // Bodies are cut: every key that is left must be there.
    const keys = [...text.matchAll(/"([a-z_]{1,20})"\s*:/g)].map(([, key = '']) => key)
    return [...wrong, ...keys.filter((key) => !answer.text.includes(`"${key}":`)).map((key) => `no ${key}`)]
  }

  test.each(['seed', 'head'] as const)(
    'of revision %s get the recorded answers, or those that COVERAGE.md lists',
    async (revision) => {
      const known = await seed()
      const deviations = await readDeviations(revision)
      const recorded = await readRecorded(revision)
      expect(recorded.length).toBeGreaterThan(35)
      const wrong: string[] = []
      const used = new Set<string>()
      for (const exchange of recorded) {
        const path = exchange.path.replaceAll(ids, (_all, letter: string) => known.get(letter) ?? '')
        const name = `${exchange.method} ${exchange.path.replaceAll(ids, (_all, letter: 'a' | 'b') => NAMES[letter])}`
        const answer = await windlass.call(exchange.method, path)
        const differences = compare(exchange, answer)
        const row = `${name} ${exchange.status} ${answer.status}`
        if (deviations.has(row)) used.add(row)
        else wrong.push(...differences.map((difference) => `${name}: ${difference}`))
      }
      expect(wrong).toEqual([])
      expect([...deviations].filter((row) => !used.has(row))).toEqual([])
    },
  )
})

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
      host_port_root: String(root),
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
    expect(HostConfig.PortBindings['22/tcp']).toMatchObject([{ HostPort: String(root + 22) }])
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
    const other = await make('web2', { host_port_root: root })
    await ask('POST /v1/container/start?id=web_1', 204)
    await ask(`POST /v1/container/start?id=${other}`, 409, /port is already allocated/)
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
        await windlass.call('DELETE', `/v1/container?id=${id}`, undefined, { 'idempotency-key': 'gone' }),
      ).toMatchObject({
        status: 204,
        text: '',
      })
  })
})

describe('stats', () => {
  test('begin with the first question, go on, and are told by every API process', async () => {
    const id = await makeRunning('web1', { cpulimit: 0.5 })
    await makeForeign('others')
    await ask('POST /v1/container/start?id=others', 204)
    const { socket } = await windlass.startApi({ WINDLASS_HTTP: 'off' })
    const { body } = await ask(`GET /v1/container/stats?id=${id}&since=0`, 200)
    const [[at = '', first] = []] = Object.entries(Object(body))
    expect(Number(at)).toBeGreaterThan(Date.now() / 1000 - 20)
    expect(first).toEqual({
      memory: { used: expect.any(Number), limit: 0.125 },
      cpu: { usage_percent: 0, limit: 50 },
      net: { up: expect.any(Number), down: expect.any(Number), delta_up: 0, delta_down: 0 },
    })
    await sh('web1', 'timeout 1 sh -c "while :; do :; done" || true')
    const busiest = async () => {
      const answer = await callApi(socket, { method: 'GET', path: `/v1/container/stats/?id=web1&since=${at}` })
      return Math.max(
        ...Object.values(Object(answer.body)).map((one) => Number(fieldOf(fieldOf(one, 'cpu'), 'usage_percent'))),
      )
    }
    await expect.poll(busiest, { timeout: 30_000, interval: 1000 }).toBeGreaterThan(1)
    expect(
      Object.values(Object((await ask('GET /v1/container/stats?id=others&since=0', 200)).body)).length,
    ).toBeGreaterThan(0)
    expect((await ask(`GET /v1/container/stats?id=${id}&since=99999999999&scale=day`, 200)).text).toBe('{}')
  })

  test('of what is not there are none, and what is missing is named', async () => {
    await ask('GET /v1/container/stats?id=nope&since=0', 200, '{}')
    await ask('GET /v1/container/stats?since=0', 400, 'missing id')
    await ask('GET /v1/container/stats?id=nope', 400, 'missing since')
    await ask('GET /v1/container/stats?id=nope&since=abc', 400, /since/)
  })
})

describe('git', () => {
  test('the current head, branches, a checkout and a fetch are clean text', async () => {
    const id = await makeRunning('web1')
    await sh('web1', REPOSITORIES)
    const at = `id=${id}&path=${REPOSITORY}`
    await ask(`GET /v1/git/head?${at}`, 200, /^commit [0-9a-f]{40}\nAuthor: n <a@b>\nDate: .*\n\n {4}first commit\n$/)
    const branches = ['main', 'origin/main', 'remotes/origin/dev', 'remotes/origin/main']
    for (const path of ['branch', 'branch/', 'branches'])
      expect((await ask(`GET /v1/git/${path}?${at}`, 200)).body).toEqual(branches)
    await ask(
      `POST /v1/git/branch?${at}&branch=dev`,
      200,
      /^branch 'dev' set up to track .*\nSwitched to a new branch 'dev'\n$/,
    )
    expect((await ask(`GET /v1/git/branch?${at}`, 200)).body).toEqual(['dev', ...branches])
    await sh('web1', 'cd /srv/origin && git branch later')
    await ask(`GET /v1/git?${at}`, 200, /\[new branch\] +later/)
    expect((await ask(`GET /v1/git/branches/?${at}`, 200)).text).toContain('remotes/origin/later')
    await ask(`PUT /v1/git?id=${id}`, 200, /^Initialized empty Git repository in \/var\/www\/html\/.git\//)
    await ask(`GET /v1/git/head?id=${id}`, 412, /does not have any commits yet/)
    const logs = (await windlass.call('GET', '/1.0/instances/web1/logs')).text
    expect(logs).not.toContain('exec_')
  })

  test('nothing in branch or path is an option, and no file is taken for a branch', async () => {
    const id = await makeRunning('web1')
    await sh('web1', `${REPOSITORIES}; echo changed > ${REPOSITORY}/file`)
    const at = `id=${id}&path=${REPOSITORY}`
    for (const branch of ['-f', '--orphan=x', '.', 'a..b', '%00', '@%7B-1%7D', ''])
      await ask(`POST /v1/git/branch?${at}&branch=${branch}`, 400, /is not a valid branch name/)
    await ask(`POST /v1/git/branch?${at}&branch=file`, 412, /invalid reference: file/)
    await sh('web1', `grep -q changed ${REPOSITORY}/file`)
    for (const path of ['--exec-path=/tmp', 'srv/repo', '%00/srv'])
      await ask(`GET /v1/git/head?id=${id}&path=${path}`, 400, 'path must be an absolute path in the container')
    await ask(`GET /v1/git/head?id=${id}&path=/%3Btouch%20/owned`, 412, /cannot change to/)
    await sh('web1', 'test ! -e /owned')
  })

  test('what git refuses is 412 with its words, and so is a container without git or one that does not run', async () => {
    const id = await makeRunning('web1')
    const plain = await makeRunning('plain', { image: 'busybox' })
    const NONE = 'fatal: not a git repository (or any of the parent directories): .git\n'
    for (const request of ['GET /v1/git', 'GET /v1/git/head', 'GET /v1/git/branch', 'GET /v1/git/branches'])
      await ask(`${request}?id=${id}&path=/tmp`, 412, NONE)
    await ask(`POST /v1/git/branch?id=${id}&path=/tmp&branch=main`, 412, NONE)
    await ask(`GET /v1/git?id=${plain}`, 412, 'Command not found')
    await ask(`GET /v1/git/head?id=${plain}`, 412, /git/)
    await ask(`POST /v1/container/stop?id=${id}`, 204)
    for (const path of ['', '/head', '/branch', '/branches'])
      await ask(`GET /v1/git${path}?id=${id}`, 412, `Container ${id} is not running`)
    await ask('GET /v1/git/head?id=nope', 412, NOBODY)
    for (const request of ['GET /v1/git', 'GET /v1/git/head', 'POST /v1/git/branch'])
      await ask(request, 400, 'missing id')
    await ask(`POST /v1/git/branch?id=${plain}`, 400, 'missing branch')
  })

  test('more than one MiB of output is cut', async () => {
    const id = await makeRunning('web1')
    await sh(
      'web1',
      `${REPOSITORIES}; cd ${REPOSITORY}; yes word | head -c 2000000 > /message; git commit -q --amend -F /message`,
    )
    const { text } = await ask(`GET /v1/git/head?id=${id}&path=${REPOSITORY}`, 200, /word\n/)
    expect(text).toHaveLength(1024 * 1024)
  })

  test('a repeat by Idempotency-Key gets what the first one got', async () => {
    const id = await makeRunning('web1')
    await sh('web1', REPOSITORIES)
    const path = `/v1/git/branch?id=${id}&path=${REPOSITORY}&branch=dev`
    const first = await windlass.call('POST', path, undefined, { 'idempotency-key': 'checkout' })
    const second = await windlass.call('POST', path, undefined, { 'idempotency-key': 'checkout' })
    expect(first).toMatchObject({ status: 200, text: expect.stringContaining("Switched to a new branch 'dev'") })
    expect(second).toMatchObject({ status: 200, text: first.text })
  })

  test('the branch alone is told where that is set', async () => {
    const { socket } = await windlass.startApi({ WINDLASS_HEBERGOS_BRANCH: 'current', WINDLASS_HTTP: 'off' })
    await makeRunning('web1')
    await sh('web1', REPOSITORIES)
    const answer = await callApi(socket, { method: 'GET', path: `/v1/git/branch?id=web1&path=${REPOSITORY}` })
    expect(answer).toMatchObject({ status: 200, text: 'main\n' })
  })
})

describe('bad requests', () => {
  test('unknown paths and wrong methods are answered as there', async () => {
    for (const path of ['/v1/container/foo', '/v1/git/nope', '/v1/env/x'])
      expect((await ask(`GET ${path}`, 404, '404 page not found\n')).headers['content-type']).toMatch(/^text\/plain/)
    for (const request of [
      'POST /v1/container',
      'POST /v1/container/',
      'GET /v1/container/start',
      'DELETE /v1/git/head',
    ])
      await ask(request, 405, '')
  })

  test('a body of whatever kind is dropped where none belongs, and must be JSON where one does', async () => {
    const id = await make('web1')
    await ask(`POST /v1/container/start?id=${id}`, 204, '', Buffer.from('id=other&{'))
    await ask('PUT /v1/container', 400, /JSON/, Buffer.from('{"name":'))
    await ask('PUT /v1/container', 400, /object/)
    await ask('PUT /v1/container', 413, /large/, Buffer.alloc(2 ** 20 + 1, ' '))
    await ask(`PATCH /v1/container?id=${id}`, 400, /memory/, { memory: 'much' })
    await ask(`PATCH /v1/container?id=nope`, 412, NOBODY, { memory: 1 })
    await ask('PATCH /v1/container', 400, 'missing id', { memory: 1 })
    await ask('DELETE /v1/container', 400, 'missing id')
  })

  test('the environment is told', async () => {
    const docker_sock = windlass.engine.dockerHost
    for (const path of ['/v1/env', '/v1/env/'])
      expect((await ask(`GET ${path}`, 200)).body).toEqual({
        docker_sock,
        port_area_size: '5000',
        base_image: 'busybox',
      })
  })
})

/** Over HTTP, with headers as they are. */
function fetchFrom(
  url: string | undefined,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; realm: unknown }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(new URL(path, url), { headers, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, text, realm: answer.headers['www-authenticate'] }),
      )
    })
    sent.on('error', reject).end()
  })
}

describe('authentication', () => {
  const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`x:${password}`).toString('base64')}` })

  test('a token is the bearer or the password, and nothing is open by itself', async () => {
    const { url } = windlass.api
    const good = [{ authorization: `Bearer ${TOKEN}` }, basic(TOKEN)]
    for (const headers of good)
      expect(await fetchFrom(url, '/v1/container/', headers)).toMatchObject({ status: 200, text: '{}' })
    for (const headers of [{}, { authorization: 'Bearer wrong' }, basic('wrong')])
      expect(await fetchFrom(url, '/v1/container/', headers)).toMatchObject({
        status: 401,
        text: 'not authorized',
        realm: expect.stringContaining('Basic'),
      })
  })

  test('opened, it answers on loopback as an operator, but no page of another site', async () => {
    await makeForeign('mighty', { HostConfig: { Privileged: true } })
    const { url } = await windlass.startApi({ WINDLASS_OPEN_DIALECTS: 'hebergos' })
    expect(await fetchFrom(url, '/v1/container/')).toMatchObject({
      status: 200,
      text: expect.stringContaining('mighty'),
    })
    for (const headers of [
      { origin: 'http://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example' },
    ])
      expect(await fetchFrom(url, '/v1/container/', headers), JSON.stringify(headers)).toMatchObject({ status: 401 })
    const refused = await fetch(new URL('/v1/container/start?id=mighty', url), { method: 'POST' })
    expect(refused.status).toBe(403)
    expect(await refused.text()).toContain('is privileged')
  })
})

test("a client written from the manual runs the manual's examples", async () => {
  const id = await makeRunning('web1')
  await sh('web1', REPOSITORIES)
  const script = fileURLToPath(new URL('clients/hebergos.mjs', import.meta.url))
  const base = String(windlass.api.url).replace('://', `://x:${TOKEN}@`)
  const { stdout } = await promisify(execFile)(process.execPath, [script, base, id, REPOSITORY])
  expect(stdout.trim().split('\n').at(-1)).toBe('done')
})
