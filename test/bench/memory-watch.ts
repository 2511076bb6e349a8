import { residentOf } from '../support/processes.ts'

/** Milliseconds between two looks. */
const LOOK = 50

/** How many MB a process has taken on top of what it had, at most, while this was done. */
export async function memoryDuring(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = await residentOf(pid)
  let most = before
  const timer = setInterval(() => void residentOf(pid).then((now) => (most = Math.max(most, now))), LOOK)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return (most - before) / 1_000_000
}
