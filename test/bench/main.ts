/**
 * `npm run bench [-- --only 1,4] [--runs 30]`: figures of this machine, each beside its yardstick of the same run, as a
 * Markdown table that is also written to test-results/bench.md. Figures: 1 operations, 2 requests about them,
 * 3 acceptance, 4 GET /1.0, 5 creates in bulk, 6 memory, 7 lists, 8 exec by lxc, 9 dialects, 10 files by lxc,
 * 11 other commands by lxc. Where Debian's package `lxd` is installed, a real LXD does 1, 8, 10 and 11 in turns with us;
 * `--only calls` compares engine calls instead.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startBare } from './bare-process.ts'
import { measureAcceptance } from './figures/acceptance.ts'
import { measureBulk } from './figures/bulk.ts'
import { compareCalls } from './figures/calls.ts'
import { measureCommands } from './figures/commands.ts'
import { measureDialects } from './figures/dialects.ts'
import { measureExec } from './figures/exec.ts'
import { measureFiles } from './figures/files.ts'
import { measureMemory } from './figures/memory.ts'
import { measureOverhead } from './figures/overhead.ts'
import { measureLists, measureOperations, measureServer } from './figures/requests.ts'
import { startRealLxd } from './real-lxd.ts'
import { describeMachine, type Row, toMarkdown } from './report.ts'
import { startMeasured } from './subject.ts'

const RESULTS = 'test-results'

interface Options {
  wanted: Set<string>
  runs: number
}

async function main(): Promise<void> {
  const options = { only: { type: 'string' }, runs: { type: 'string' }, yes: { type: 'boolean' } } as const
  const { values } = parseArgs({ options })
  const wanted = new Set((values.only ?? '1,2,3,4,5,6,7,8,9,10,11').split(','))
  if (wanted.has('calls')) return print(await compareCalls())
  const began = performance.now()
  const rows: Row[] = []
  const docker = await measureServed({ wanted, runs: Number(values.runs ?? 30) }, rows)
  if (wanted.has('3')) await add(rows, 'Operations accepted', measureAcceptance)
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ')
  const machine = await describeMachine({ docker, command, seconds: (performance.now() - began) / 1000 })
  const text = `${toMarkdown(rows)}\n\n${machine}\n`
  await mkdir(RESULTS, { recursive: true })
  await writeFile(join(RESULTS, 'bench.md'), text)
  print(`\n${text}`)
}

/** The figures of a server with two workers; its engine's version. */
async function measureServed({ wanted, runs }: Options, rows: Row[]): Promise<string> {
  await using lxd = ['1', '8', '10', '11'].some((key) => wanted.has(key)) ? await startRealLxd() : undefined
  await using measured = await startMeasured(2, lxd)
  const { dataDir, redis } = measured.windlass
  await using bare = await startBare(join(dataDir, 'bare.sock'), redis.socket)
  const figure = (key: string, what: string, measure: () => Promise<Row[]>) =>
    wanted.has(key) ? add(rows, what, measure) : Promise.resolve()
  await figure('6', 'Memory', () => measureMemory(measured, bare, 'fresh'))
  if (wanted.has('1') || wanted.has('2'))
    await add(rows, 'Operations', async () => {
      const overhead = await measureOverhead(measured, wanted.has('1') ? runs : 5)
      const requests = wanted.has('2') ? await measureOperations(measured, bare, overhead) : []
      return [...(wanted.has('1') ? overhead.rows : []), ...requests]
    })
  await figure('4', 'GET /1.0', () => measureServer(measured, bare))
  await figure('7', 'Lists', () => measureLists(measured, bare))
  await figure('8', 'Exec by lxc', () => measureExec(measured, runs))
  await figure('11', 'Commands by lxc', () => measureCommands(measured, runs))
  await figure('10', 'Files by lxc', () => measureFiles(measured, runs))
  await figure('5', 'Creates in bulk', () => measureBulk(measured))
  await figure('9', 'Dialects', () => measureDialects(measured))
  await figure('6', 'Memory', () => measureMemory(measured, bare, 'after all of the above'))
  return (await measured.engine<{ Version: string }>('GET', '/version')).Version
}

/** A figure that cannot be taken is said in the table, and leaves the others standing. */
async function add(rows: Row[], what: string, measure: () => Promise<Row[]>): Promise<void> {
  try {
    rows.push(...tell(await measure()))
  } catch (error) {
    process.exitCode = 1
    const reason = error instanceof Error ? error.message : String(error)
    rows.push({ figure: what, windlass: `failed: ${reason}`, yardstick: '', result: '', target: '', lxd: '' })
    process.stderr.write(`${what}: ${error instanceof Error ? (error.stack ?? reason) : reason}\n`)
  }
}

function tell(rows: Row[]): Row[] {
  for (const { figure, windlass, yardstick } of rows) process.stderr.write(`${figure}: ${windlass} | ${yardstick}\n`)
  return rows
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

await main()
