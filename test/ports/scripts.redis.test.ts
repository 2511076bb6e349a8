import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeChanges } from '../../src/redis/changes.ts'
import { runScript } from '../../src/redis/scripts.ts'
import { startDeployments, storesOf, type TestDeployments } from './redis-deployment.ts'
import { acceptance, alias, ending, eventsOf, putAlias, running, submit } from './samples.ts'

let deployments: TestDeployments
beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments[Symbol.asyncDispose]())

// A connection that is lost before the answer sends the same command again, byte for byte.
test('a write of records that is sent again is done once', async () => {
  const database = deployments.database()
  const args = ['id-of-the-write', '{"at":"1","unlessBusy":[],"unlessUsed":[]}', encodeChanges([putAlias(alias())])]
  expect(await runScript(database, 'write-records', args)).toEqual(['written'])
  expect(await runScript(database, 'write-records', args)).toEqual(['written'])
  expect(await eventsOf(storesOf(database))).toHaveLength(1)
})

test('an epoch is raised once by the same command', async () => {
  const database = deployments.database()
  const id = await submit(storesOf(database))
  expect(await runScript(database, 'raise-epoch', [id, 'token', '5'])).toBe(2)
  expect(await runScript(database, 'raise-epoch', [id, 'token', '5'])).toBe(2)
  expect(await runScript(database, 'raise-epoch', [id, 'other', '5'])).toBe(3)
})

test('a turn is handed back once, and only by its holder', async () => {
  const database = deployments.database()
  const stores = storesOf(database)
  const own = await running(stores)
  expect(await runScript(database, 'hand-back', [own.id, '1000001', 'wrong'])).toBe(0)
  expect(await runScript(database, 'hand-back', [own.id, '1000001', own.token])).toBe(1)
  expect(await runScript(database, 'hand-back', [own.id, '1000001', own.token])).toBe(0)
  expect(await stores.operations.get(own.id)).toMatchObject({ attempts: 0 })
  expect(await stores.operations.note(own, { at: 5 })).toBe('fenced')
})

test('one record cannot be changed twice in one write', async () => {
  const stores = await deployments.stores()
  const record = alias()
  const changes = [putAlias(record), putAlias({ ...record, name: 'other' })]
  expect(await stores.records.write({ changes, at: 1 })).toMatchObject({ outcome: 'changed', uuid: record.uuid })
})

test('the end leaves no secret and no claim in any key', async () => {
  const database = deployments.database()
  const stores = storesOf(database)
  const secret = 'hunter2'
  const own = await running(
    stores,
    acceptance({
      secret,
      names: [{ noun: 'instance', scope: 'default', name: 'c1' }],
      busy: [
        { key: 'instance:u1', mode: 'own', action: 'create' },
        { key: 'image:i1', mode: 'use', action: 'create' },
      ],
    }),
  )
  expect((await keysOf(database)).filter((key) => /^(secret|resv|busy|use)/.test(key))).toHaveLength(4)
  await stores.operations.end(own, ending())
  expect((await keysOf(database)).filter((key) => /^(secret|resv|busy|use)/.test(key))).toEqual([])
})

test('every key of a deployment carries its hash tag', async () => {
  const database = deployments.database()
  const before = await database.connection.redis.keys('*')
  await running(storesOf(database), acceptance({ secret: 's', changes: [putAlias(alias())] }))
  const made = (await database.connection.redis.keys('*')).filter((key) => !before.includes(key))
  expect(made.length).toBeGreaterThan(5)
  expect(made.filter((key) => !key.startsWith(database.keys.prefix))).toEqual([])
})

async function keysOf({ connection, keys }: ReturnType<TestDeployments['database']>): Promise<string[]> {
  const all = await connection.redis.keys('*')
  return all.filter((key) => key.startsWith(keys.prefix)).map((key) => key.slice(keys.prefix.length))
}
