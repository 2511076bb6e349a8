/** The engine calls that workers really make, operation by operation, beside those of the yardsticks. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { openCalls } from '../engine-calls.ts'
import { type Measured, startMeasured } from '../subject.ts'
import { newInstance } from '../tiny.ts'
import { readTemplate } from '../template.ts'
import { sameCalls } from '../yardsticks.ts'

interface Recorder extends AsyncDisposable {
  readonly socket: string
  /** What was called since it was last asked, ids and names left out. */
  take(): string[]
}

/** Runs each kind once through a worker whose engine calls are recorded; a Markdown list with the differences. */
export async function compareCalls(): Promise<string> {
  await using first = await startMeasured(1)
  const { windlass, engine } = first
  await using recorder = await startRecorder(join(windlass.dataDir, 'recorder.sock'), windlass.engine.socket)
  const [worker] = windlass.workers
  await windlass.startWorker({ DOCKER_HOST: `unix://${recorder.socket}` })
  worker?.kill('SIGKILL')
  await worker?.exited
  await first.operate('POST', '/1.0/instances', newInstance('template'))
  const template = await readTemplate(engine)
  const script = sameCalls(openCalls(recorder.socket), template.image, template.body(1))
  recorder.take()
  const lines: string[] = []
  const subject = { id: '', image: '', snapshot: '' }
  const yardsticks: Record<string, () => Promise<unknown>> = {
    create: async () => Object.assign(subject, await script.create('script')),
    start: () => script.start(subject),
    stop: () => script.stop(subject),
    snapshot: () => script.snapshot(subject, 's0'),
    restore: () => script.restore(subject, 'script'),
    copy: () => script.copy(subject, 'script-copy'),
  }
  for (const [kind, ours] of Object.entries(operationsOf(first))) {
    await ours()
    const made = recorder.take()
    await yardsticks[kind]?.()
    const expected = recorder.take()
    const verdict = made.join() === expected.join() ? 'as the yardstick' : `the yardstick makes ${expected.join(', ')}`
    lines.push(`- ${kind}: ${made.join(', ')}: ${verdict}`)
  }
  return lines.join('\n')
}

function operationsOf({ operate }: Measured): Record<string, () => Promise<unknown>> {
  const path = '/1.0/instances/ours'
  const source = { type: 'copy', source: 'ours', instance_only: true }
  return {
    create: () => operate('POST', '/1.0/instances', newInstance('ours')),
    start: () => operate('PUT', `${path}/state`, { action: 'start', timeout: 30 }),
    stop: () => operate('PUT', `${path}/state`, { action: 'stop', force: true, timeout: 30 }),
    snapshot: () => operate('POST', `${path}/snapshots`, { name: 's0' }),
    restore: () => operate('PUT', path, { restore: 's0' }),
    copy: () => operate('POST', '/1.0/instances', { name: 'copied', source }),
  }
}

/** A proxy in front of the engine that writes down what passes. */
async function startRecorder(socket: string, engineSocket: string): Promise<Recorder> {
  let calls: string[] = []
  const pass = (asked: IncomingMessage, answer: ServerResponse): void => {
    calls.push(describe(asked))
    const { method = 'GET', url = '/', headers } = asked
    const forwarded = request({ socketPath: engineSocket, method, path: url, headers, agent: false }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(answer)
    })
    forwarded.on('error', () => answer.destroy())
    asked.pipe(forwarded)
  }
  const server = createServer(pass)
  server.listen(socket)
  await once(server, 'listening')
  return {
    socket,
    take: () => {
      const taken = calls
      calls = []
      return taken
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function describe({ method = '', url = '' }: IncomingMessage): string {
  const path = decodeURIComponent(url.replace(/\?.*/, '').replace(/^\/v1\.\d+/, ''))
  return `${method} ${path.replace(/^\/(containers|images)\/(?!create|json)(.+?)(?=\/json$|\/[a-z]+$|$)/, '/$1/…')}`
}
