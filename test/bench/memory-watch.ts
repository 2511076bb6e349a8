import { readFile } from 'node:fs/promises'

/** Milliseconds between two looks. */
const LOOK = 50

/** How many MB a process has taken on top of what it had, at most, while this was done. */
export async function memoryDuring(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = await residentMb(pid)
  let most = before
  const timer = setInterval(() => void residentMb(pid).then((now) => (most = Math.max(most, now))), LOOK)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return most - before
}

async function residentMb(pid: number): Promise<number> {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000
}
