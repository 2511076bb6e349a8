import { expect, test } from 'vitest'
import type { OperationRecord } from '../../../src/contract/operation-record.ts'
import type { AnyRecord } from '../../../src/contract/records.ts'
import { createFirstStart, type FirstStartDeps } from '../../../src/services/first-start.ts'

/** A deployment as far as a first start sees it; the worker does as it is told. */
function makeDeployment() {
  const known = new Map<string, AnyRecord>()
  const operations = new Map<string, OperationRecord>()
  const raised: string[] = []
  const onces: string[] = []
  const deployment = { known, onces, raised, worker: 'success' as OperationRecord['state'] }
  const find = async (noun: string, _scope: string, name: string) => known.get(`${noun}/${name}`)?.record
  const get = async (_caller: unknown, id: string) => operations.get(id)
  const deps = {
    clock: { uuid: () => 'uuid', now: () => 0, operationId: () => 'id' },
    store: { get: async (id: string) => operations.get(id) },
    networks: { creationOf: async (content: object) => ({ input: content }) },
    sweep: async () => [],
    warnings: {
      raise: async ({ message }: { message: string }) => void raised.push(message),
      resolve: async () => undefined,
    },
    records: {
      find,
      idempotent: async (key: string) => {
        const operation = key.slice('once:'.length)
        return operations.has(operation) ? { operation } : undefined
      },
      write: async ({ changes }: { changes: AnyRecord[] }) => {
        for (const change of changes) known.set(`${change.noun}/${change.record.name}`, change)
        return { outcome: 'written' }
      },
    },
    operations: {
      get,
      wait: get,
      trySubmit: async (_caller: unknown, { once }: { once: string }) => {
        onces.push(once)
        const operation = { id: once, state: deployment.worker, err: 'no room' } as OperationRecord // all that is looked at
        operations.set(once, operation)
        if (deployment.worker === 'success') known.set('network/lxdbr0', {} as AnyRecord) // only its being there counts
        return { outcome: 'accepted', operation }
      },
    },
  } as unknown as FirstStartDeps // what is not here would throw when used
  return { ...deployment, deployment, start: createFirstStart(deps) }
}

test('a new deployment gets a network, a profile and, last, a project; a later start makes nothing again', async () => {
  const { known, onces, raised, start } = makeDeployment()
  await start()
  expect([...known.keys()]).toEqual(['network/lxdbr0', 'profile/default', 'project/default'])
  await start()
  // Deleted by a user.
  known.delete('network/lxdbr0')
  await start()
  expect(onces).toEqual(['first-start:lxdbr0'])
  expect(raised).toEqual([])
})

test('a network that could not be made is a warning, and the next start tries once more', async () => {
  const { deployment, known, onces, raised, start } = makeDeployment()
  deployment.worker = 'failure'
  await start()
  expect(raised).toEqual([expect.stringContaining('lxdbr0 could not be made: no room')])
  expect(known.has('project/default')).toBe(true)
  deployment.worker = 'success'
  await start()
  expect(onces).toEqual(['first-start:lxdbr0', 'first-start:lxdbr0:first-start:lxdbr0'])
  expect(known.has('network/lxdbr0')).toBe(true)
})
