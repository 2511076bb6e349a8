// `up` as a process of its own, with stand-ins for API and workers: what a test kills or stops from outside.
import { join } from 'node:path'
import { argv, env } from 'node:process'
import { openOutput, stopOnSignals } from '../../src/setup/output.ts'
import { up } from '../../src/setup/up.ts'

const dataDir = argv[2] ?? ''
const options = {
  entry: 'test/support/fake-process.ts',
  cache: join(dataDir, 'cache'),
  env: { ...env, DOCKER_HOST: 'ssh://nowhere', FAKE_JOURNAL: join(dataDir, 'journal') },
  dataDir,
  http: undefined,
  https: undefined,
  socket: join(dataDir, 'unix.socket'),
  workers: 1,
  redisUrl: undefined,
  yes: false,
}
await up(options, openOutput(), stopOnSignals())
