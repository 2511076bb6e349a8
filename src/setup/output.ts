import { openTerminal } from './host.ts'
import { toJsonLine, toReadableLine } from './log-lines.ts'
import type { UpOutput } from './up.ts'

/** Standard output of this process: readable lines on a terminal, JSON lines elsewhere. */
export function openOutput(): UpOutput {
  const isTerminal = process.stdout.isTTY
  const render = isTerminal ? toReadableLine : toJsonLine
  // A reader that has left (`npm start | head`) must not stop the server.
  process.stdout.on('error', () => {})
  process.stderr.on('error', () => {})
  return {
    terminal: openTerminal(),
    isTerminal,
    print,
    sink: (source, line) => print(render(source, line, Date.now())),
  }
}

/** Aborted by Ctrl-C, SIGTERM or the end of the terminal. */
export function stopOnSignals(): AbortSignal {
  const controller = new AbortController()
  // Not `once`: an outer npm passes on the Ctrl-C that the terminal has already sent.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => controller.abort())
  return controller.signal
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
