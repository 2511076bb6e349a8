import { expect, test } from 'vitest'
import type { OperationRecord } from '../../../src/contract/operation-record.ts'
import type { CourseNote, OperationStore } from '../../../src/core/ports.ts'
import { createCourse } from '../../../workers/course.ts'

test('a note that is made while progress is being written goes with the write after it', async () => {
  const sent: string[][] = []
  const answers: (() => void)[] = []
  const note: OperationStore['note'] = (_hold, { notes }: CourseNote) => {
    sent.push((notes ?? []).map(({ name }) => name))
    const { promise, resolve } = Promise.withResolvers<'written'>()
    answers.push(() => resolve('written'))
    return promise
  }
  const operation = { id: 'a', created: 0, notes: [], warnings: [], cancel: null } as unknown as OperationRecord // all that is looked at
  const course = createCourse(
    {
      store: { note } as OperationStore, // nothing else is asked of it
      clock: { now: () => 0, uuid: () => '', operationId: () => '' },
      onTransition: () => undefined,
      onWritten: () => undefined,
    },
    { id: 'a', epoch: 1, attempt: 1, token: 't' },
    operation,
  )
  const progress = { name: 'copy', step: 1, steps: 2, percent: 50 }
  const showing = course.show(progress)
  course.remember('copy', { made: 1 })
  answers[0]?.()
  await showing
  const keeping = course.show(progress)
  answers[1]?.()
  await keeping
  expect(sent).toEqual([[], ['copy']])
})
