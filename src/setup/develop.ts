import { spawn } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureBusybox } from './busybox.ts'
import { check, describeResult } from './check.ts'
import { type Environment, findProgram, openTerminal, SetupError } from './host.ts'
import { findLxc } from './lxc-client.ts'
import { installParts, type Part, type SetupContext } from './packages.ts'
import { findRedisServer } from './redis.ts'
import { describeCounts, readCounts } from './test-summary.ts'
import { unpackPackage } from './unpack.ts'

/** Part of `npm test`: bounded, so that the whole stays within its time on two cores. */
const SHORT_BATTERY = ['--short', '--minutes', '5']

/** A command for those who change Windlass. */
export interface DeveloperCommand {
  readonly command: string
  readonly args: readonly string[]
  /** The checkout. */
  readonly root: string
  readonly env: Environment
}

/** Runs `check`, `test`, `openapi`, `bench`, `battery`, `battery:mutations` or `test:engines`; the exit code. */
export async function develop(asked: DeveloperCommand): Promise<number> {
  try {
    return await dispatch(asked)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  }
}

async function dispatch(asked: DeveloperCommand): Promise<number> {
  switch (asked.command) {
    case 'check':
      return (await failedChecks(asked)) === 0 ? 0 : 1
    case 'test':
      await prepare(asked)
      return test(asked)
    case 'openapi':
      return runScript(asked, 'openapi/generate.ts')
    case 'bench':
      await prepare(asked)
      return runScript(asked, 'test/bench/main.ts')
    case 'battery':
      await prepare(asked)
      return runScript(asked, 'test/battery/main.ts')
    case 'battery:mutations':
      await prepare(asked)
      return runScript(asked, 'test/battery/mutations.ts')
    case 'test:engines':
      await prepare(asked)
      return runScript(asked, 'test/support/newer-engines.ts')
    default:
      throw new SetupError(`There is no command "${asked.command}".`)
  }
}

async function failedChecks({ root, env }: DeveloperCommand): Promise<number> {
  const results = await check(root, env, (result) => process.stdout.write(`${describeResult(result)}\n`))
  return results.filter(({ isGood }) => !isGood).length
}

/** Everything where no test is named; the named test files alone, without the checks, where some are. */
async function test(asked: DeveloperCommand): Promise<number> {
  const { root, args } = asked
  const report = join(root, 'test-results/report.json')
  await rm(report, { force: true })
  const failed = args.length === 0 ? await failedChecks(asked) : 0
  const code = await run(asked, join(root, 'node_modules/.bin/vitest'), ['run', ...args])
  const counts = await readCounts(report)
  const isWhole = args.length === 0
  const battered = isWhole ? await runScript({ ...asked, args: SHORT_BATTERY }, 'test/battery/main.ts') : 0
  // A check or a battery that failed is a failure of the run, so the last line counts it.
  const all = {
    ...counts,
    passed: counts.passed + (isWhole && battered === 0 ? 1 : 0),
    failed: counts.failed + failed + (battered === 0 ? 0 : 1),
  }
  const line = `${describeCounts(all)}\n`
  await mkdir(join(root, 'test-results'), { recursive: true })
  await writeFile(join(root, 'test-results/counts.txt'), line)
  process.stdout.write(line)
  return code === 0 && all.failed === 0 && all.passed > 0 ? 0 : 1
}

/** What the tests run against: a Redis, a dockerd of their own (unless one is given), a static busybox. */
async function prepare({ root, env, args }: DeveloperCommand): Promise<void> {
  const terminal = openTerminal()
  const context: SetupContext = { env, terminal, yes: args.includes('--yes') }
  const missing: Part[] = []
  if ((await findRedisServer(env)) === undefined) missing.push('redis')
  const isGiven = Boolean(env['WINDLASS_TEST_DOCKER_HOST'] ?? env['DOCKER_HOST'])
  if (!isGiven && process.platform === 'linux') {
    if ((await findProgram('dockerd', env)) === undefined) missing.push('engine')
    const tools = await Promise.all(['nsenter', 'unshare', 'ip'].map((name) => findProgram(name, env)))
    if (tools.includes(undefined)) missing.push('namespaces')
  }
  await installParts(missing, context)
  const cache = join(root, '.cache')
  await ensureBusybox(cache, env, terminal)
  // What only one file of tests needs; without it they are skipped.
  if ((await findLxc(cache, env)) === undefined)
    await unpackPackage('lxd-client', "the tests with LXD's own client", { cache, env, terminal })
}

function runScript(asked: DeveloperCommand, script: string): Promise<number> {
  return run(asked, process.execPath, [join(asked.root, script), ...asked.args])
}

function run({ root, env }: DeveloperCommand, program: string, args: readonly string[]): Promise<number> {
  const child = spawn(program, args, { cwd: root, env: { ...env }, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}
