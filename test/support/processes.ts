import { readdir, readFile, readlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

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

/** Bytes of memory that a process holds now. */
export async function residentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
