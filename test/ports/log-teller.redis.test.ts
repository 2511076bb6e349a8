import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLogTeller } from '../../src/redis/log-teller.ts'
import { openEventBus } from '../../src/redis/event-bus.ts'
import type { LogEvent } from '../../src/core/ports.ts'
import { startDeployments, type TestDeployments } from './redis-deployment.ts'

let deployments: TestDeployments
beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments?.[Symbol.asyncDispose]())

test('lines reach the followers of events in their order, those of before Redis was there too', async () => {
  const database = deployments.database()
  const bus = openEventBus({
    database,
    subscriber: deployments.connect('subscriber'),
    onGap: () => undefined,
    onError: () => undefined,
  })
  await bus.ready
  const heard = new Promise<LogEvent[]>((resolve) => {
    const events: LogEvent[] = []
    bus.subscribe((event) => {
      events.push(event)
      if (events.length === 3) resolve(events)
    })
  })
  const teller = createLogTeller()
  const tell = (msg: string) => teller.tell(`${JSON.stringify({ level: 30, time: '2026-11-21T09:16:00.000Z', msg })}\n`)
  tell('one')
  teller.connect(database)
  tell('two')
  tell('three')
  expect(await heard).toMatchObject(
    ['one', 'two', 'three'].map((message) => ({
      type: 'logging',
      project: '',
      line: { message, level: 'info', context: {} },
    })),
  )
  teller.stop()
  await bus.close()
})
