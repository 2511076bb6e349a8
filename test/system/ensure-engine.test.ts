import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env } from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)

// Fresh /run and /var/lib: the default socket and data root exist nowhere else; the pid namespace ends with the test.
const script = 'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && ip link set lo up && exec "$@"'
const namespaces = [
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
  '--net',
  '--mount',
  '--propagation',
  'private',
  'sh',
  '-c',
  script,
  'sh',
]

const isPermitted = await run('unshare', [...namespaces, 'dockerd', '--version']).then(
  () => true,
  () => false,
)

test.runIf(isPermitted)(
  'without systemd an installed engine is started once, found again, and stopped by down',
  async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'wl-ensure-'))
    try {
      const command = [process.execPath, 'test/support/ensure-engine.ts', dataDir]
      const { stdout } = await run('unshare', [...namespaces, ...command], { env: { ...env, DOCKER_HOST: undefined } })
      expect(JSON.parse(stdout)).toMatchObject({
        first: 'unix:///var/run/docker.sock',
        second: 'unix:///var/run/docker.sock',
        saidAgain: 0,
        stopped: true,
        after: 'absent',
      })
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  },
)
