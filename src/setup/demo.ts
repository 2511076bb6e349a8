// `npm run demo`: the main job on the running server, told as it happens. It talks to the unix socket as any client would.
import { askServer, fieldOf } from './api-client.ts'
import { SetupError } from './host.ts'

interface Done {
  readonly operation: string
  readonly ms: number
}

/** Runs the main job from create to delete, prints a line per operation, a table at the end. Throws where one fails. */
export async function demo(socket: string, print: (text: string) => void): Promise<void> {
  const session = new Session(socket, print)
  const name = `demo-${process.pid}`
  const clone = `${name}-clone`
  try {
    await session.run(name, clone)
  } finally {
    for (const left of [clone, name]) await session.remove(left)
  }
  print(`\n${table(session.done)}`)
}

class Session {
  readonly done: Done[] = []
  readonly #socket: string
  readonly #print: (text: string) => void

  constructor(socket: string, print: (text: string) => void) {
    this.#socket = socket
    this.#print = print
  }

  async run(name: string, clone: string): Promise<void> {
    const alias = await this.#get('/1.0/images/aliases/busybox')
    this.#print(`found image busybox: ${String(fieldOf(alias, 'target')).slice(0, 12)}`)
    const instances = '/1.0/instances'
    await this.#operate('create', 'POST', instances, { name, source: { type: 'image', alias: 'busybox' } })
    await this.#operate('start', 'PUT', `${instances}/${name}/state`, { action: 'start', timeout: 30 })
    await this.#exec('write a file', name, 'echo "before the change" > /root/note')
    await this.#operate('snapshot', 'POST', `${instances}/${name}/snapshots`, { name: 's0' })
    await this.#exec('change the file', name, 'echo "after the change" > /root/note')
    await this.#operate('restore', 'PUT', `${instances}/${name}`, { restore: 's0' })
    const seen = await this.#exec('read the file', name, 'cat /root/note')
    if (seen.trim() !== 'before the change') throw new SetupError(`The restored file says ${JSON.stringify(seen)}`)
    this.#print(`  the restored file says: ${seen.trim()}`)
    await this.#operate('clone from the snapshot', 'POST', instances, {
      name: clone,
      source: { type: 'copy', source: `${name}/s0` },
    })
    await this.#operate('start the clone', 'PUT', `${instances}/${clone}/state`, { action: 'start', timeout: 30 })
    const cloned = await this.#exec('read it in the clone', clone, 'cat /root/note')
    if (cloned.trim() !== 'before the change') throw new SetupError(`The clone's file says ${JSON.stringify(cloned)}`)
  }

  /** Stops and deletes an instance of the demo, if it is there. */
  async remove(name: string): Promise<void> {
    const path = `/1.0/instances/${name}`
    const found = await askServer(this.#socket, { method: 'GET', path })
    if (found.status !== 200) return
    if (fieldOf(fieldOf(found.body, 'metadata'), 'status') === 'Running')
      await this.#operate(`stop ${name}`, 'PUT', `${path}/state`, { action: 'stop', timeout: 30 })
    await this.#operate(`delete ${name}`, 'DELETE', path)
  }

  async #exec(what: string, name: string, script: string): Promise<string> {
    const body = { command: ['sh', '-c', script], 'record-output': true, 'wait-for-websocket': false }
    const operation = await this.#operate(what, 'POST', `/1.0/instances/${name}/exec`, body)
    const metadata = fieldOf(operation, 'metadata')
    if (fieldOf(metadata, 'return') !== 0)
      throw new SetupError(`${what} ended with ${String(fieldOf(metadata, 'return'))}`)
    const log = fieldOf(fieldOf(metadata, 'output'), '1')
    return typeof log === 'string' ? this.#text(log) : ''
  }

  async #operate(what: string, method: string, path: string, body?: unknown): Promise<unknown> {
    const began = performance.now()
    const accepted = await askServer(this.#socket, { method, path, ...(body === undefined ? {} : { body }) })
    const url = fieldOf(accepted.body, 'operation')
    if (accepted.status !== 202 || typeof url !== 'string')
      throw new SetupError(
        `${what}: the server answered ${accepted.status}: ${String(fieldOf(accepted.body, 'error'))}`,
      )
    const ended = fieldOf(
      (await askServer(this.#socket, { method: 'GET', path: `${url}/wait?timeout=120` })).body,
      'metadata',
    )
    const ms = Math.round(performance.now() - began)
    this.#print(
      `${what.padEnd(24)} ${String(fieldOf(ended, 'status')).padEnd(9)} ${String(ms).padStart(6)} ms   ${url}`,
    )
    if (fieldOf(ended, 'status_code') !== 200) throw new SetupError(`${what} failed: ${String(fieldOf(ended, 'err'))}`)
    this.done.push({ operation: what, ms })
    return ended
  }

  async #get(path: string): Promise<unknown> {
    const answer = await askServer(this.#socket, { method: 'GET', path })
    if (answer.status !== 200)
      throw new SetupError(
        `GET ${path} answered ${answer.status}: is the server of this data directory running ("npm start")?`,
      )
    return fieldOf(answer.body, 'metadata')
  }

  async #text(path: string): Promise<string> {
    return (await askServer(this.#socket, { method: 'GET', path })).text
  }
}

function table(done: readonly Done[]): string {
  const rows = done.map(({ operation, ms }) => `| ${operation.padEnd(24)} | ${String(ms).padStart(6)} ms |`)
  const total = done.reduce((sum, { ms }) => sum + ms, 0)
  return [
    '| operation                |      time |',
    '|--------------------------|-----------|',
    ...rows,
    `| ${'together'.padEnd(24)} | ${String(total).padStart(6)} ms |`,
  ].join('\n')
}
