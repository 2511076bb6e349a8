import { readdir, readFile, readlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** When a process started, in clock ticks since boot (field 22 of /proc/PID/stat); undefined if there is none. */
export async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return undefined
  // The name in brackets may hold blanks; field 3 is the state, and a zombie is dead for us.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' ? undefined : fields[19]
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
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
    await delay(10)
  }
  return true
}

/** Tries until `attempt` gives a value; throws what `giveUp` makes after `ms` milliseconds. */
export async function until<T>(ms: number, attempt: () => Promise<T | undefined>, giveUp: () => Error): Promise<T> {
  const deadline = performance.now() + ms
  for (;;) {
    const value = await attempt()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw giveUp()
    await delay(20)
  }
}

/** Pids of all processes in a network namespace, given as /proc/PID/ns/net names it: `net:[4026532000]`. */
export async function processesInNetwork(namespace: string): Promise<number[]> {
  return filterProcesses(async (pid) => (await readlink(`/proc/${pid}/ns/net`)) === namespace)
}

/** Pids of all processes in the control groups of these containers. */
export async function processesOfContainers(ids: readonly string[]): Promise<number[]> {
  if (ids.length === 0) return []
  return filterProcesses(async (pid) => {
    const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8')
    return ids.some((id) => groups.includes(id))
  })
}

async function filterProcesses(test: (pid: number) => Promise<boolean>): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const hits = await Promise.all(pids.map((pid) => test(pid).catch(() => false)))
  return pids.filter((_, index) => hits[index])
}
