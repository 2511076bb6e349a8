/** How the runs of a line are counted and told. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quantile } from '../bench/statistics.ts'

/** Where this run writes its failing histories: another one in the same tree, or a later one, has its own. */
const RESULTS = join('test-results/battery', `${new Date().toISOString().replaceAll(':', '-')}-${process.pid}`)

/** `short`: as few runs as show that it works. `full`: what its slice of the hour allows. */
export type Length = 'short' | 'full'

export interface Tally {
  readonly runs: number
  readonly failures: number
  /** A run that ended as it should; what it took, milliseconds, if that is to be shown. */
  passed(ms?: number): void
  /** Writes the history down. */
  failed(run: string, history: unknown): Promise<void>
  /** A sentence that is shown with the line. */
  note(sentence: string): void
  /** Counts what is no failure but is to be known, and tells it at once. */
  saw(what: string, where: string): void
  describe(): string
}

export function createTally(name: string, seed: number): Tally {
  const times: number[] = []
  const notes: string[] = []
  const seen = new Map<string, number>()
  let runs = 0
  let failures = 0
  return {
    get runs() {
      return runs
    },
    get failures() {
      return failures
    },
    passed: (ms) => {
      runs += 1
      if (ms !== undefined) times.push(ms)
    },
    failed: async (run, history) => {
      runs += 1
      failures += 1
      const file = join(RESULTS, `${name}-${failures}.json`)
      await mkdir(RESULTS, { recursive: true })
      await writeFile(file, JSON.stringify({ line: name, seed, run, history }, undefined, 2))
      process.stderr.write(`${name}: ${run} failed, see ${file}\n`)
    },
    note: (sentence) => void notes.push(sentence),
    saw: (what, where) => {
      seen.set(what, (seen.get(what) ?? 0) + 1)
      process.stderr.write(`${name}: ${where}\n`)
    },
    describe: () => {
      const sentences = [...notes, ...[...seen].map(([what, count]) => `${count} ${what}`)]
      const [p50, p99, most] = [0.5, 0.99, 1].map((share) => Math.round(quantile(times, share)))
      const timing = times.length === 0 ? '' : `, p50 ${p50} p99 ${p99} max ${most} ms`
      return `${name}: ${runs} runs, seed ${seed}, ${failures} failures${timing}${sentences.map((sentence) => `; ${sentence}`).join('')}`
    },
  }
}
