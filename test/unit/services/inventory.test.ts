import { once } from 'node:events'
import { expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { ContainerDetail, Containers } from '../../../src/core/container.ts'
import type { Engine } from '../../../src/core/engine.ts'
import { createInventory } from '../../../src/services/inventory.ts'
import { absent } from '../../support/absent.ts'

test('what a worker saw is looked at again where it differs from what was just seen here', async () => {
  const detail = (id: string, status: string) => ({ id, status }) as ContainerDetail // all that is looked at
  const looks: string[] = []
  const engine = absent<Engine>('engine', {
    member: 'local',
    containers: absent<Containers>('containers', {
      list: async () => [detail('ended', 'exited'), detail('runs', 'running')],
      inspect: async (id: string) => {
        looks.push(id)
        return detail(id, 'exited')
      },
    }),
    watch: async (_handlers, signal) => void (await once(signal, 'abort')),
  })
  const inventory = createInventory({
    engines: new Map([['local', engine]]),
    clock: systemClock,
    relist: 60_000,
    onLost: () => undefined,
  })
  await inventory.settled
  const saw = ['ended', 'runs', 'new'].map((container) => {
    return { member: 'local', container, summary: detail(container, 'running') }
  })
  inventory.saw(saw)
  await expect.poll(() => inventory.container('local', 'ended')?.status).toBe('exited')
  expect(looks).toEqual(['ended'])
  expect(inventory.container('local', 'new')?.status).toBe('running')
  inventory.close()
})

test('what our own workers do is looked at only where they do not tell of it', async () => {
  const detail = (id: string) => ({ id, status: 'created' }) as ContainerDetail // all that is looked at
  const looks: string[] = []
  const watched = Promise.withResolvers<Parameters<Engine['watch']>[0]>()
  const engine = absent<Engine>('engine', {
    member: 'local',
    containers: absent<Containers>('containers', {
      list: async () => [],
      inspect: async (id: string) => {
        looks.push(id)
        return detail(id)
      },
    }),
    watch: async (handlers, signal) => {
      watched.resolve(handlers)
      await once(signal, 'abort')
    },
  })
  const inventory = createInventory({
    engines: new Map([['local', engine]]),
    clock: systemClock,
    relist: 60_000,
    onLost: () => undefined,
  })
  await inventory.settled
  const { onEvent } = await watched.promise
  const events = ['create', 'rename', 'archive-path', 'exec_create: ls'].flatMap((action) =>
    ['ours', 'theirs'].map(
      (id) => ({ type: 'container', id, action, at: 0, exitCode: undefined, attributes: {} }) as const,
    ),
  )
  for (const event of events) onEvent(event)
  inventory.saw([{ member: 'local', container: 'ours', summary: detail('ours') }])
  await expect.poll(() => inventory.container('local', 'theirs')?.status).toBe('created')
  expect(looks).toEqual(['theirs'])
  expect(inventory.container('local', 'ours')?.status).toBe('created')
  inventory.close()
})

test('events that come while a container is looked at lead to one more look, which sees the last of them', async () => {
  let status: ContainerDetail['status'] = 'created'
  const looks: PromiseWithResolvers<void>[] = []
  const begun = new EventTarget()
  const watched = Promise.withResolvers<Parameters<Engine['watch']>[0]>()
  const engine = absent<Engine>('engine', {
    member: 'local',
    containers: absent<Containers>('containers', {
      list: async () => [],
      inspect: async (id: string) => {
        const seen = { id, status } as ContainerDetail // what the inventory hands on is not looked at
        const look = Promise.withResolvers<void>()
        looks.push(look)
        begun.dispatchEvent(new Event('look'))
        await look.promise
        return seen
      },
    }),
    watch: async (handlers, signal) => {
      watched.resolve(handlers)
      await once(signal, 'abort')
    },
  })
  const inventory = createInventory({
    engines: new Map([['local', engine]]),
    clock: systemClock,
    relist: 60_000,
    onLost: () => undefined,
  })
  await inventory.settled
  const { onEvent } = await watched.promise
  const tell = (action: string) =>
    onEvent({ type: 'container', id: 'c1', action, at: 0, exitCode: undefined, attributes: {} })
  tell('start')
  for (const action of ['health_status: healthy', 'die', 'start']) tell(action)
  status = 'running'
  expect(looks).toHaveLength(1)
  const second = once(begun, 'look')
  looks[0]?.resolve()
  await second
  expect(inventory.container('local', 'c1')?.status).toBe('created')
  looks[1]?.resolve()
  await expect.poll(() => inventory.container('local', 'c1')?.status).toBe('running')
  expect(looks).toHaveLength(2)
  tell('die')
  expect(looks).toHaveLength(3)
  inventory.close()
})
