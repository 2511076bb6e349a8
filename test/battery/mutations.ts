/**
 * `npm run battery:mutations [-- fence undo]`: takes a safeguard out of a copy of this checkout, one at a time, and
 * demands that the tests which are to notice it fail. Each of them has to pass in an unchanged copy first: else its
 * failing would say nothing. Exits with 1 when a mutation survives.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type Judge, MUTATIONS, type Mutation, type Patch } from './safeguards.ts'

const ROOT = join(import.meta.dirname, '..', '..')

interface Verdict {
  name: string
  what: string
  outcome: 'noticed' | 'SURVIVED' | 'JUDGE FAILS'
  seconds: number
}

async function main(names: string[]): Promise<number> {
  const unknown = names.filter((name) => !MUTATIONS.some((one) => one.name === name))
  if (unknown.length > 0) throw new Error(`There is no mutation ${unknown.join()}; known are ${known().join()}`)
  const wanted = MUTATIONS.filter(({ name }) => names.length === 0 || names.includes(name))
  const copy = await mkdtemp(join(tmpdir(), 'windlass-mutant-'))
  try {
    await copyCheckout(copy)
    const honest = await tryJudges(copy, wanted)
    const verdicts: Verdict[] = []
    for (const mutation of wanted) {
      const verdict = await judge(copy, mutation, honest)
      verdicts.push(verdict)
      say(describe(verdict))
    }
    const bad = verdicts.filter(({ outcome }) => outcome !== 'noticed').length
    say(`mutations: ${verdicts.length} tried, ${verdicts.length - bad} noticed, ${bad} not`)
    return bad === 0 ? 0 : 1
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

function known(): string[] {
  return MUTATIONS.map(({ name }) => name)
}

/** What is under version control, and what is new; the dependencies as they are. */
async function copyCheckout(copy: string): Promise<void> {
  const listed = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const { stdout } = await promisify(execFile)('git', listed, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 })
  for (const file of stdout.split('\0').filter((name) => name !== '')) {
    await mkdir(dirname(join(copy, file)), { recursive: true })
    // One that was deleted and not yet committed is listed as well.
    await cp(join(ROOT, file), join(copy, file)).catch(() => undefined)
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
}

/** Judges that pass while nothing is missing. */
async function tryJudges(copy: string, mutations: readonly Mutation[]): Promise<Set<Judge>> {
  const honest = new Set<Judge>()
  for (const one of new Set(mutations.map((mutation) => mutation.judge))) {
    const passes = await run(copy, one)
    if (passes) honest.add(one)
    say(`${one.join(': ')} ${passes ? 'passes' : 'FAILS'} with nothing taken out`)
  }
  return honest
}

async function judge(copy: string, mutation: Mutation, honest: Set<Judge>): Promise<Verdict> {
  const { name, what } = mutation
  const began = performance.now()
  const originals = new Map<string, string>()
  try {
    for (const patch of mutation.patches) await apply(copy, patch, originals)
    if (!honest.has(mutation.judge)) return { name, what, outcome: 'JUDGE FAILS', seconds: 0 }
    const passes = await run(copy, mutation.judge)
    const seconds = Math.round((performance.now() - began) / 1000)
    return { name, what, outcome: passes ? 'SURVIVED' : 'noticed', seconds }
  } finally {
    for (const [file, text] of originals) await writeFile(join(copy, file), text)
  }
}

async function apply(copy: string, { file, from, to }: Patch, originals: Map<string, string>): Promise<void> {
  const text = await readFile(join(copy, file), 'utf8')
  const found = text.split(from).length - 1
  if (found !== 1) throw new Error(`${file} has this ${found} times, not once; the mutation has to follow it: ${from}`)
  if (!originals.has(file)) originals.set(file, text)
  await writeFile(
    join(copy, file),
    text.replace(from, () => to),
  )
}

/** Whether the judge passes. One that runs no test at all has not passed. */
async function run(copy: string, [file, test]: Judge): Promise<boolean> {
  const vitest = join(copy, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [
    vitest,
    'run',
    file,
    '--reporter=dot',
    '--no-passWithNoTests',
    ...(test === undefined ? [] : ['-t', test]),
  ]
  const child = spawn(process.execPath, args, { cwd: copy, stdio: 'ignore' })
  const [code]: (number | null)[] = await once(child, 'exit')
  return code === 0
}

function describe({ name, what, outcome, seconds }: Verdict): string {
  return `${name.padEnd(18)} ${outcome.padEnd(12)} ${String(seconds).padStart(4)} s  ${what}`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

process.exitCode = await main(process.argv.slice(2))
