/** Resident memory of the processes when nothing happens. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bare, startIdle } from '../bare-process.ts'
import type { Row } from '../report.ts'
import type { Measured } from '../subject.ts'
import { residentOf } from '../../support/processes.ts'

const IDLE_MS = 10_000

/** Waits ten seconds and reads what each process holds; `when` says what was before. */
export async function measureMemory({ windlass }: Measured, bare: Bare, when: string): Promise<Row[]> {
  await using idle = await startIdle()
  await sleep(IDLE_MS)
  const workers = await Promise.all(windlass.workers.map(({ pid }) => residentOf(pid)))
  return [
    {
      figure: `Memory of the API process, idle 10 s, ${when}`,
      windlass: mebibytes(await residentOf(windlass.api.pid)),
      yardstick: `${mebibytes(await residentOf(bare.pid))} bare Fastify and ioredis`,
      result: '',
      target: '≤ 150 MB',
      lxd: when === 'fresh' ? '78 MB' : '175 MB',
    },
    {
      figure: `Memory of a worker, idle 10 s, ${when}`,
      windlass: mebibytes(Math.max(...workers)),
      yardstick: `${mebibytes(await residentOf(idle.pid))} Node with a worker's libraries`,
      result: '',
      target: '≤ 120 MB',
      lxd: '',
    },
  ]
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_000_000)} MB`
}
