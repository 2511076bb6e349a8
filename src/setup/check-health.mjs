// The image's health check: is the API in this container ready? `off` and unix sockets have nothing to ask here.
import process, { env } from 'node:process'

// The engine starts it as root, which asking needs no more than answering does.
if (process.getuid() === 0) {
  process.setgroups([])
  process.setgid(1000)
  process.setuid(1000)
}
const port = /:(\d+)$/.exec(env.WINDLASS_HTTP ?? '')?.[1] ?? '8080'
const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
process.exitCode = answer?.ok === true ? 0 : 1
