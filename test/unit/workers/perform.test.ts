import { expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { OperationRecord, StepNote } from '../../../src/contract/operation-record.ts'
import type { Engine } from '../../../src/core/engine.ts'
import type { CourseNote, Ending, OperationStore, RecordReader } from '../../../src/core/ports.ts'
import type { Kind } from '../../../src/operations/catalog.ts'
import { createPerform, type PerformDeps } from '../../../workers/perform.ts'
import type { Context, Handler, Step } from '../../../workers/steps.ts'
import { acceptance } from '../../ports/samples.ts'
import { absent } from '../../support/absent.ts'

type Making = Context<'instance.start'>

const RUNNING = {
  state: 'running' as const,
  epoch: 1,
  fence: 1_000_001,
  worker: 'w',
  started: 1,
  updated: 1,
  ended: 0,
  forward: false,
  progress: null,
  metadata: null,
  err: '',
  code: '',
  undone: [],
  warnings: [],
}

/** One turn with these steps at an operation that earlier turns have left with these notes; what it did and wrote. */
async function turn(
  steps: Step<'instance.start'>[],
  { attempt = 1, notes = [], cancelled = false }: { attempt?: number; notes?: StepNote[]; cancelled?: boolean } = {},
) {
  const { operation } = acceptance({}, { kind: 'instance.start', input: { instance: 'u1' } })
  const cancel = cancelled ? { by: operation.requestor, at: 1 } : null
  const record: OperationRecord = { ...operation, ...RUNNING, notes, cancel, attempts: attempt }
  const writes: string[][] = []
  const ends: Pick<Ending, 'state' | 'undone'>[] = []
  const write = (names: StepNote[] = []) => void writes.push(names.map(({ name }) => name))
  const store = absent<OperationStore>('store', {
    begin: async () => ({ outcome: 'begun', operation: record, secret: undefined }),
    note: async (_hold, { notes: written }: CourseNote) => {
      write(written)
      return cancelled ? 'cancel' : 'written'
    },
    end: async (_hold, { state, undone, notes: written }: Ending) => {
      write(written)
      ends.push({ state, undone })
      return 'ended'
    },
  })
  const handler: Handler<'instance.start'> = { steps, finish: async () => ({ changes: [] }) }
  const perform = createPerform({
    store,
    clock: systemClock,
    records: absent<RecordReader>('records'),
    engines: new Map([[record.member, absent<Engine>('engine')]]),
    handlers: absent<{ [K in Kind]: Handler<K> }>('handlers', { 'instance.start': handler }),
    deployment: 'd',
    sweep: async () => [],
    worker: 'w',
    engineBack: async () => true,
    point: () => undefined,
    onTransition: () => undefined,
    onError: (failure) => {
      throw failure
    },
  } satisfies PerformDeps)
  const ticket = { id: record.id, kind: record.kind, epoch: 1 }
  await perform(ticket, { attempt, token: 't', signal: new AbortController().signal })
  return { writes, end: ends[0] }
}

/** A look and what is made after it; `ran` gets what they do. */
function stepsInto(ran: string[], lasts = true): Step<'instance.start'>[] {
  const make = (name: string): Step<'instance.start'> => ({
    name,
    run: async ({ again }: Making) => void ran.push(`${name}${again ? ' again' : ''}`),
    undo: async () => {
      ran.push(`undo ${name}`)
      return `Took ${name} back`
    },
  })
  const look: Step<'instance.start'> = {
    name: 'look',
    run: async ({ again }: Making) => {
      ran.push(`look${again ? ' again' : ''}`)
      return { lasts }
    },
    lasts: (found) => (found as { lasts: boolean }).lasts, // its own note
  }
  return [look, make('one'), make('two')]
}

test('notes of looks go with the next write, that of the last step with the end', async () => {
  const ran: string[] = []
  const { writes, end } = await turn(stepsInto(ran))
  expect(ran).toEqual(['look', 'one', 'two'])
  expect(writes).toEqual([['look', 'one'], ['two']])
  expect(end).toEqual({ state: 'success', undone: [] })
  expect((await turn(stepsInto([], false))).writes).toEqual([['look'], ['one'], ['two']])
})

test('steps that are left out count for nothing: the one before them is the last', async () => {
  const left = (step: Step<'instance.start'>) => (step.name === 'two' ? { ...step, when: () => false } : step)
  expect((await turn(stepsInto([]).map(left))).writes).toEqual([['look', 'one']])
})

test('a later turn looks again, and knows that more may have been begun behind the look', async () => {
  const ran: string[] = []
  await turn(stepsInto(ran), { attempt: 2 })
  expect(ran).toEqual(['look again', 'one again', 'two'])
  ran.length = 0
  const notes = [{ name: 'look', at: 1, attempt: 1, data: { lasts: true } }]
  await turn(stepsInto(ran), { attempt: 2, notes })
  expect(ran).toEqual(['one again', 'two'])
})

test('a later turn that is cancelled undoes what may have been begun behind a look without a note', async () => {
  const ran: string[] = []
  const { end } = await turn(stepsInto(ran), { attempt: 2, cancelled: true })
  expect(ran).toEqual(['look again', 'undo one'])
  expect(end).toEqual({ state: 'cancelled', undone: ['Took one back'] })
  ran.length = 0
  await turn(stepsInto(ran), { cancelled: true })
  expect(ran).toEqual([])
})
