// Runs what `npm start` does about the engine, in namespaces where the default paths are private: start one, find it
// again, stop it. Prints what it saw as one JSON line.
import { argv, env } from 'node:process'
import { ensureEngine, stopOwnEngine } from '../../src/setup/engine.ts'
import { findEngine } from '../../src/setup/find-engine.ts'

const dataDir = argv[2] ?? ''
const said: string[] = []
const terminal = {
  isInteractive: false,
  say: (text: string) => void said.push(text),
  ask: () => Promise.resolve(false),
  run: (command: readonly string[]) => Promise.reject(new Error(`not expected: ${command.join(' ')}`)),
}
const context = { env: { PATH: env['PATH'], HOME: dataDir }, terminal, yes: false }
const first = await ensureEngine(dataDir, context)
const saidFirst = said.length
const second = await ensureEngine(dataDir, context)
const stopped = await stopOwnEngine(dataDir)
const after = await findEngine(context.env)
process.stdout.write(
  `${JSON.stringify({ first, second, saidAgain: said.length - saidFirst, stopped, after: after.kind, said })}\n`,
)
