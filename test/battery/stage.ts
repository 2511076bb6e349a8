/** What all lines of one run of the battery share. */
import type { Baseline } from './baseline.ts'
import { takeBaselines } from './baseline.ts'
import { type Bed, openBed } from './bed.ts'
import type { Length, Tally } from './tally.ts'
import { createRandom, type Random } from './random.ts'

export interface Line {
  /** `F1` … */
  name: string
  what: string
  /** Minutes of the full run. */
  minutes: number
  run(stage: Stage): Promise<void>
}

/** What one line is given. */
export interface Stage {
  length: Length
  /** Only points with this in their names, of F1 and F13, and calls of F6. */
  at: string
  tally: Tally
  random: Random
  /** Whether there is time for a further run, one of so many milliseconds if said; until the line has run there is. */
  mayBegin(ms?: number): boolean
  /** The bed most lines run on, opened when it is first asked for; it must be left as it was found. */
  bed(): Promise<Bed>
  baselines(): Promise<Baseline[]>
}

export type Shared = AsyncDisposable & Pick<Stage, 'bed' | 'baselines'> & { opened(): Promise<Bed> | undefined }

export function createShared(seed: number): Shared {
  let opened: Promise<Bed> | undefined
  let taken: Promise<Baseline[]> | undefined
  const bed = () => (opened ??= openBed({ random: createRandom(seed) }))
  return {
    bed,
    baselines: () => (taken ??= bed().then(takeBaselines)),
    opened: () => opened,
    [Symbol.asyncDispose]: async () => {
      const open = await opened?.catch(() => undefined)
      await open?.[Symbol.asyncDispose]()
    },
  }
}

/** One run of a line; whatever it throws is a failure of the run. */
export async function attempt(tally: Tally, run: string, work: () => Promise<void>, bed?: Bed): Promise<void> {
  try {
    await work()
  } catch (error) {
    const thrown = error instanceof Error ? (error.stack ?? error.message) : String(error)
    await tally.failed(run, { thrown, logs: bed === undefined ? {} : logsOf(bed) })
  }
}

/** What all processes of a bed have said of late. */
export function logsOf(bed: Bed): Record<string, string> {
  return { ...bed.pool.logs(), api: bed.windlass.api.output().slice(-4_000) }
}
