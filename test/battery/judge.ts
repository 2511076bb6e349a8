/** What is wrong with a run, in sentences. */
import type { OperationRecord, OperationState } from '../../src/contract/operation-record.ts'
import type { Baseline } from './baseline.ts'
import type { Asked, Disturb, Run } from './run.ts'

type Seen = Pick<Run, 'before' | 'after'>

/** The baseline's scenario again, disturbed. */
export function disturbed(baseline: Baseline, disturb: Disturb): Asked {
  return { scenario: baseline.scenario, disturb, isExpected: (operation, seen) => isShown(baseline, operation, seen) }
}

/** Whether users see what they are to see after such an end. */
function isShown({ scenario, before, after }: Baseline, { state, err }: OperationRecord, seen: Seen): boolean {
  if (state === 'success') return seen.after === after
  const mayHaveDone = scenario.lasting === true || isLost(scenario, { state, err })
  return seen.after === before || (mayHaveDone && seen.after === after)
}

function isLost({ lost }: Baseline['scenario'], { state, err }: Pick<OperationRecord, 'state' | 'err'>): boolean {
  return state === 'failure' && lost?.test(err) === true
}

/** `allowed`: the states in which it may have ended. */
export function judge(run: Run, baseline: Baseline, allowed: readonly OperationState[]): string[] {
  const { operation } = run
  if (operation === undefined) return [`It was never seen by the store; the client got ${JSON.stringify(run.answer)}`]
  const { state, err } = operation
  const faults: string[] = []
  if (!allowed.includes(state) && !isLost(baseline.scenario, operation))
    faults.push(`It ended as ${state} (${err}), not as ${allowed.join(' or ')}`)
  if (!isShown(baseline, operation, run)) {
    const wanted = state === 'success' ? baseline.after : baseline.before
    faults.push(`It ended as ${state}, but users see ${run.after} instead of ${wanted}`)
  }
  if (state === 'success' && operation.undone.length > 0) faults.push('It succeeded, and says what was undone')
  return faults
}
