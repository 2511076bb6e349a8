// Stands in for the command line's script where the supervisor is tested: `serve` and `worker` note their life in
// FAKE_JOURNAL. FAKE_FAULT makes one go wrong: `serve:early` ends before it is ready, `worker:deaf` ignores SIGTERM.
import { appendFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { env } from 'node:process'

const role = process.argv[2] ?? ''
const journal = env['FAKE_JOURNAL'] ?? ''
const fault = env['FAKE_FAULT']

function note(event: string): void {
  appendFileSync(journal, `${JSON.stringify({ role, event, pid: process.pid, redis: env['REDIS_URL'] })}\n`)
}

if (fault === `${role}:early`) {
  process.stderr.write('the settings are wrong\n')
  process.exit(3)
}

note('started')
process.on('SIGTERM', () => {
  if (fault === `${role}:deaf`) return
  note('stopped')
  process.exit(0)
})
process.on('disconnect', () => process.exit(0))

const socket = env['WINDLASS_SOCKET'] ?? ''
if (role === 'serve') {
  rmSync(socket, { force: true })
  // Every alias exists here, so no starter image is made.
  createServer((_, response) => response.end('{"metadata":{}}')).listen(socket, ready)
} else {
  // Keeps a process without work alive.
  setInterval(() => {}, 1_000)
  ready()
}

function ready(): void {
  process.send?.({ type: 'ready', url: 'http://127.0.0.1:8080', docs: 'http://127.0.0.1:8080/docs', socket })
}
