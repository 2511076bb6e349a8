/** LXD's own client, as the figures run it. */
import { execFile } from 'node:child_process'
import { env } from 'node:process'
import { promisify } from 'node:util'
import { findLxc } from '../../src/setup/lxc-client.ts'
import type { TestWindlass } from '../support/windlass.ts'

export interface LxcCommand {
  /** Of its program. */
  readonly path: string
  readonly env: NodeJS.ProcessEnv
  /** Runs it to its end, which must be a success. */
  readonly run: (...words: string[]) => Promise<unknown>
  /** The same in this directory. */
  readonly runIn: (cwd: string, ...words: string[]) => Promise<unknown>
}

/** The client on this server's socket; throws where the machine has none. */
export async function openLxc({ socket, dataDir }: Pick<TestWindlass, 'socket' | 'dataDir'>): Promise<LxcCommand> {
  const path = await findLxc('.cache', env)
  if (path === undefined) throw new Error('There is no lxc')
  const own = { ...env, LXD_SOCKET: socket, LXD_CONF: dataDir }
  const runIn = async (cwd: string, ...words: string[]) => {
    const running = promisify(execFile)(path, words, { cwd, env: own })
    // As in the figures of LXD: nothing is to be read.
    running.child.stdin?.end()
    await running
  }
  return { path, env: own, run: (...words) => runIn(dataDir, ...words), runIn }
}
