import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { type ApiAnswer, fieldOf } from '../../src/setup/api-client.ts'
import { busyboxPlaces } from '../../src/setup/busybox.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { findStaticBusybox } from '../../src/setup/starter-image.ts'
import { askEngine } from '../support/ask-engine.ts'
import { gitImageTar } from '../support/git-image.ts'
import { importTinyImage, TINY_IMAGE } from '../support/tiny-image.ts'
import { startWindlass, type TestWindlass } from '../support/windlass.ts'

export const TOKEN = 'the-token-of-the-hebergos-tests'
export const HEX = /^[0-9a-f]{64}$/
export const NOBODY = 'Error: No such container: nope'
export const REPOSITORY = '/srv/repo'

/** A script that makes a repository at /srv/origin and its clone. */
export const REPOSITORIES = `
export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=a@b
git init -q -b main /srv/origin; cd /srv/origin
echo one > file; git add file; git commit -q -m 'first commit'; git branch dev
git clone -q /srv/origin ${REPOSITORY}`

/** With the images `busybox` and `git`, and one that others make containers of. */
export async function start(git: () => Promise<Buffer> = gitImageTar): Promise<TestWindlass> {
  const windlass = await startWindlass({ workers: 1, env: { WINDLASS_HTTP: '127.0.0.1:0', WINDLASS_TOKEN: TOKEN } })
  const busybox = await findStaticBusybox(busyboxPlaces('.cache'))
  await publishStarterImage(windlass.socket, busybox ?? '')
  const tar = await git()
  const target = createHash('sha256').update(tar).digest('hex')
  expect(await windlass.operate('POST', '/1.0/images', tar)).toMatchObject({ status: 'Success' })
  expect((await windlass.call('POST', '/1.0/images/aliases', { name: 'git', target })).status).toBe(201)
  await importTinyImage(windlass.engine.socket)
  return windlass
}

type Shape = string | RegExp | object | undefined
type Listed = Record<string, { name: string; state: string }>

let root = 10_000

/** Speaks hebergos over the unix socket and checks every answer. */
export function hebergos(windlass: () => TestWindlass) {
  /** `METHOD /path`: checks the status, and the body where a shape is given: a text as it is, JSON as far as it says. */
  async function ask(request: string, status: number, shape?: Shape, body?: unknown): Promise<ApiAnswer> {
    const [method = '', path = ''] = request.split(' ')
    const answer = await windlass().call(method, path, body)
    expect(answer.status, `${request}: ${answer.text}`).toBe(status)
    if (typeof shape === 'string') expect(answer.text, request).toBe(shape)
    else if (shape instanceof RegExp) expect(answer.text, request).toMatch(shape)
    else if (shape !== undefined) expect(answer.body, request).toMatchObject(shape)
    const types = status === 200 ? /^(text\/plain|application\/json$)/ : /^text\/plain/
    if (answer.text !== '') expect(answer.headers['content-type'], request).toMatch(types)
    return answer
  }

  /** Made as its users make one, on ports of its own; runs git's image. */
  async function make(name: string, more: object = {}): Promise<string> {
    root += 500
    const body = { name, host_port_root: root, memory: 0.125, cpulimit: 1, image: 'git', commands: ['true'], ...more }
    const { body: made } = await ask('PUT /v1/container', 200, { Warnings: [] }, body)
    return String(fieldOf(made, 'Id'))
  }

  async function makeRunning(name: string, more: object = {}): Promise<string> {
    const id = await make(name, more)
    await ask(`POST /v1/container/start?id=${id}`, 204, '')
    return id
  }

  async function makeForeign(name: string, more: object = {}): Promise<void> {
    const body = { Image: TINY_IMAGE, Cmd: ['sleep', '1000'], ...more }
    const made = await askEngine(windlass().engine.socket, 'POST', `/containers/create?name=${name}`, body)
    expect(made.status, made.text).toBe(201)
    await expect.poll(async () => (await windlass().call('GET', `/v1/container/?id=${name}`)).status).toBe(200)
  }

  /** The container of an instance, in the engine's words. */
  async function inspected(name: string) {
    return JSON.parse((await askEngine(windlass().engine.socket, 'GET', `/containers/${name}.lxd/json`)).text)
  }

  async function sh(name: string, script: string): Promise<void> {
    const ran = await windlass().operate('POST', `/1.0/instances/${name}/exec`, { command: ['sh', '-ec', script] })
    expect(ran.metadata, script).toMatchObject({ return: 0 })
  }

  async function listed(): Promise<Listed> {
    return Object((await ask('GET /v1/container/', 200)).body)
  }

  /** Removes all containers, also those of others. */
  async function clear(): Promise<void> {
    for (const id of Object.keys(await listed())) {
      // Of others' containers the id is the engine's.
      await askEngine(windlass().engine.socket, 'DELETE', `/containers/${id}?force=true`)
      await windlass().call('POST', `/v1/container/stop?id=${id}`)
      await windlass().call('DELETE', `/v1/container?id=${id}`)
    }
    await expect.poll(listed).toEqual({})
  }

  /** What the last one that was made has as `host_port_root`. */
  const lastRoot = (): number => root

  return { ask, make, makeRunning, makeForeign, inspected, sh, listed, clear, lastRoot }
}
