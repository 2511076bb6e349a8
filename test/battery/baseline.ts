/** Each scenario undisturbed: which points it comes to, and what users see before and after. */
import type { WorkerKind } from '../../src/operations/catalog.ts'
import type { Bed } from './bed.ts'
import { forwardPoints, KINDS, undoPoints, type Point } from './points.ts'
import { inLanes, runScenario, type Disturb, type Run } from './run.ts'
import type { Scenario } from './scenario.ts'
import { scenariosOf } from './scenarios.ts'

export interface Baseline {
  scenario: Scenario
  points: string[]
  before: string
  after: string
  /** The engine calls of each step, in order. */
  calls: Map<string, string[]>
}

/** A point with the scenario that comes to it. */
export interface Target extends Point {
  baseline: Baseline
  /** Of a point on the way back: at which point a cancel leads there. */
  cancelAt?: string
}

export const LANES = 6

/** Of all kinds, or of these. Throws where a scenario does not succeed by itself. */
export async function takeBaselines(bed: Bed, kinds: readonly WorkerKind[] = KINDS): Promise<Baseline[]> {
  const baselines: Baseline[] = []
  const all = kinds.flatMap(scenariosOf)
  await inLanes(all, LANES, (scenario) => {
    const calls = new Map<string, string[]>()
    return runScenario(bed, { scenario, disturb: listenTo(calls), isExpected: () => true }, async (run) => {
      refuseFailed(run)
      const points = [...new Set(run.points.map(({ point }) => point))]
      baselines.push({ scenario, points, before: run.before, after: run.after, calls })
    })
  })
  return baselines.toSorted((a, b) => all.indexOf(a.scenario) - all.indexOf(b.scenario))
}

/** Writes down what each step asks of the engine. */
function listenTo(calls: Map<string, string[]>): Disturb {
  return (reached, performer) => {
    const [, , step = '', at] = reached.point.split('.')
    const heard: string[] = []
    if (at === 'before') calls.set(step, heard)
    const listen = (method: string, url: string): undefined => void heard.push(`${method} ${nameless(url)}`)
    performer.engine.onRequest(at === 'before' ? listen : undefined)
    performer.process.letOn(reached)
  }
}

/** Without names and ids. */
function nameless(url: string): string {
  return url.replace(/\?.*/, '').replace(/[0-9a-f]{12,}|windlass-[^/]+|r\d{4}[^/]*/g, '…')
}

function refuseFailed({ scenario, operation, answer }: Run): void {
  if (operation?.state === 'success') return
  throw new Error(
    `Undisturbed, ${scenario} ended as ${operation?.state} (${operation?.err}): ${JSON.stringify(answer)}`,
  )
}

/** Every point of the catalogue with this in its name, with a scenario that comes to it, and those that none comes to. */
export function aimAt(baselines: readonly Baseline[], name = ''): { targets: Target[]; missed: string[] } {
  const targets: Target[] = []
  const missed: string[] = []
  const aim = (point: Point, comesTo: string): void => {
    const baseline = baselines.find(({ scenario, points }) => scenario.kind === point.kind && points.includes(comesTo))
    if (baseline === undefined) missed.push(point.name)
    else targets.push({ ...point, baseline, ...(comesTo === point.name ? {} : { cancelAt: comesTo }) })
  }
  for (const kind of KINDS) {
    for (const point of forwardPoints(kind)) aim(point, point.name)
    for (const point of undoPoints(kind)) aim(point, wayTo(point, baselines))
  }
  return { targets: targets.filter((target) => target.name.includes(name)), missed }
}

/** A step is undone when the operation is cancelled right after it; the end of the way back comes from any point. */
function wayTo({ kind, name }: Point, baselines: readonly Baseline[]): string {
  if (name.endsWith('.undo')) return name.replace(/undo$/, 'after')
  const [baseline] = baselines.filter(({ scenario }) => scenario.kind === kind)
  const first = baseline?.points.find((point) => point.endsWith('.after') && !point.endsWith('end.after'))
  return first ?? `${kind}.end.before`
}
