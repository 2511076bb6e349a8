#!/usr/bin/env node
// The image's entry point: gives up root, keeping only the group that may use the engine's socket, and becomes the
// command line. Plain JavaScript, since it is run through a link that has no extension.
import { chownSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import process, { env } from 'node:process'
import { fileURLToPath } from 'node:url'
import { nodeFlags } from './lean-node.ts'

const USER = 1000

function leaveRoot() {
  const [, socket] = /^unix:\/\/(.+)/.exec(env.DOCKER_HOST ?? 'unix:///var/run/docker.sock') ?? []
  const groups = socket === undefined ? [] : groupOf(socket)
  if (env.WINDLASS_DATA_DIR !== undefined) chownSync(env.WINDLASS_DATA_DIR, USER, USER)
  process.setgroups(groups)
  process.setgid(USER)
  process.setuid(USER)
}

function groupOf(path) {
  try {
    return [statSync(path).gid]
  } catch {
    // No socket is mounted; the server says so in its own words.
    return []
  }
}

// With `--user` somebody has decided already.
if (process.getuid() === 0) leaveRoot()
const args = process.argv.slice(2)
const main = fileURLToPath(new URL('../main.ts', import.meta.url))
process.execve(process.execPath, [process.execPath, ...nodeFlags(args[0]), main, ...args], {
  // Every container's process has number 1: only the container's name tells one worker from another.
  WINDLASS_WORKER_NAME: `worker-${hostname()}`,
  ...env,
  HOME: env.WINDLASS_DATA_DIR ?? '/',
})
