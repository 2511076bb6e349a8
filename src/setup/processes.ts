import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** A process that its number alone does not name for ever: with its start, it does. */
export interface ProcessNote {
  readonly pid: number
  /** Clock ticks since boot, `unknown` where there is no /proc, undefined where there is no such process. */
  readonly start: string | undefined
}

/** When a process started (field 22 of /proc/PID/stat); undefined where there is no such process or it is a zombie. */
export async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return isThere(pid) ? 'unknown' : undefined
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return undefined
  // The name in brackets may hold blanks; the state comes right after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? undefined : fields[19]
}

/** Notes a process down. */
export async function noteProcess(pid: number): Promise<ProcessNote> {
  return { pid, start: await startOf(pid) }
}

/** Does the noted process still run? */
export async function isRunning(note: ProcessNote): Promise<boolean> {
  const start = await startOf(note.pid)
  return start !== undefined && start === note.start
}

/** Sends a signal (to a group where `pid` is negative); one that is gone already is no error. */
export function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Waits until the process is gone; false after `ms` milliseconds. */
export async function isGoneWithin(pid: number, ms: number): Promise<boolean> {
  const deadline = performance.now() + ms
  while ((await startOf(pid)) !== undefined) {
    if (performance.now() > deadline) return false
    await delay(20)
  }
  return true
}

/** The command line of a process, words parted by blanks; empty where there is none. */
export async function commandLineOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return text.split('\0').join(' ').trim()
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
