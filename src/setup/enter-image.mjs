#!/usr/bin/env node
// The image's entry point: gives up root, keeping only the group that may use the engine's socket, and becomes the
// command line. Plain JavaScript, since it is run through a link that has no extension.
import { chownSync, statSync } from 'node:fs'
import process, { env } from 'node:process'
import { fileURLToPath } from 'node:url'
import { NODE_FLAGS } from './lean-node.ts'

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
const main = fileURLToPath(new URL('../main.ts', import.meta.url))
process.execve(process.execPath, [process.execPath, ...NODE_FLAGS, main, ...process.argv.slice(2)], {
  ...env,
  HOME: env.WINDLASS_DATA_DIR ?? '/',
})
