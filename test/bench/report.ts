/** The table that `npm run bench` prints. */
import { execFile } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { promisify } from 'node:util'
import { median } from './statistics.ts'

/** One figure. Texts hold their units. */
export interface Row {
  figure: string
  windlass: string
  yardstick: string
  /** What the two make together: a difference or a ratio. */
  result: string
  target: string
  /** Of a real LXD 5.0.2; '' where it has none. */
  lxd: string
}

const COLUMNS = {
  figure: 'Figure',
  windlass: 'Windlass',
  yardstick: 'Yardstick, same run',
  result: 'Result',
  target: 'Target',
  lxd: 'LXD 5.0.2',
} as const satisfies Record<keyof Row, string>

/** Rows as a Markdown table. */
export function toMarkdown(rows: readonly Row[]): string {
  // The keys of COLUMNS, in their order.
  const keys = Object.keys(COLUMNS) as (keyof Row)[]
  const lines = [COLUMNS, ...rows].map((row) => `| ${keys.map((key) => row[key]).join(' | ')} |`)
  return lines.toSpliced(1, 0, `|${keys.map(() => '---|').join('')}`).join('\n')
}

/** Milliseconds with as many digits as mean something. */
export function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`
}

/** A difference in milliseconds, with its sign. */
export function difference(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(1)} ms`
}

/** Of a real LXD: the median of this run, or what was once `recorded` on another machine of two cores; milliseconds. */
export function ofLxd(taken: readonly number[] | undefined, recorded: number): string {
  return taken === undefined ? ms(recorded) : `${ms(median(taken))}, same run`
}

/** Things per second. */
export function perSecond(value: number): string {
  return `${value < 20 ? value.toFixed(1) : Math.round(value).toLocaleString('en-US')}/s`
}

/** How many times the yardstick, or which share of it. */
export function times(value: number): string {
  return `× ${value.toFixed(2)}`
}

/** What the run was made on, as one paragraph. */
export async function describeMachine(facts: { docker: string; command: string; seconds: number }): Promise<string> {
  const redis = await promisify(execFile)('redis-server', ['--version']).catch(() => ({ stdout: '' }))
  const cores = cpus()
  return [
    `${cores.length} × ${cores[0]?.model.trim() ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}.`,
    `Node ${process.versions.node}, Docker Engine ${facts.docker}, Redis ${/v=(\S+)/.exec(redis.stdout)?.[1] ?? 'unknown'} with appendfsync everysec where nothing else is said.`,
    `Client, server, workers, Redis and engine share these cores. \`${facts.command}\`, ${Math.round(facts.seconds)} s.`,
  ].join(' ')
}
