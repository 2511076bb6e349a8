import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { encodeRequest, openClient } from './client.ts'

/** The process of bare.ts. */
export interface Bare extends AsyncDisposable {
  readonly pid: number
  readonly socket: string
  /** Makes `/bodies/<name>` answer this JSON text. */
  answer(name: string, text: string): Promise<void>
}

/** Starts the bare server on a socket of its own, with a Redis it may store in. */
export async function startBare(socket: string, redisSocket: string): Promise<Bare> {
  const child = await start(['serve', socket, redisSocket])
  return {
    ...child,
    socket,
    answer: async (name, text) => {
      const client = await openClient(socket)
      const reply = await client.request(encodeRequest('PUT', `/bodies/${name}`, JSON.parse(text)))
      client.close()
      if (reply.status !== 200) throw new Error(reply.text)
    },
  }
}

/** Starts a process with a worker's libraries that does nothing. */
export function startIdle(): Promise<AsyncDisposable & { readonly pid: number }> {
  return start(['idle'])
}

async function start(args: readonly string[]) {
  const child: ChildProcess = fork(fileURLToPath(new URL('bare.ts', import.meta.url)), args)
  await Promise.race([once(child, 'message'), once(child, 'exit')])
  const { pid } = child
  if (pid === undefined || child.exitCode !== null) throw new Error(`bare.ts ${args.join(' ')} did not start`)
  const dispose = async (): Promise<void> => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  return { pid, [Symbol.asyncDispose]: dispose }
}
