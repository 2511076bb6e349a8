import { beforeEach, describe, expect, test } from 'vitest'
import type { RecordChange } from '../../src/core/ports.ts'
import {
  acceptance,
  alias,
  ending,
  eventsOf,
  instance,
  lease,
  lifecycle,
  putAlias,
  putInstance,
  running,
  snapshot,
  type Stores,
  submit,
} from './samples.ts'

const at = 1_763_731_200_000

/** What every record store does. `open` gives the stores of a new deployment. */
export function recordStoreSuite(open: () => Promise<Stores>): void {
  let stores: Stores
  beforeEach(async () => {
    stores = await open()
  })

  const write = (...changes: RecordChange[]) => stores.records.write({ changes, at })

  describe('write', () => {
    test('sets the next rev and keeps the rest as it is', async () => {
      const record = instance({ config: { 'user.x': 'ü"\\\n' }, description: '\ud800' })
      expect(await write(putInstance(record))).toEqual({ outcome: 'written' })
      expect(await stores.records.get('instance', record.uuid)).toEqual({ ...record, rev: 1 })
      await write(putInstance({ ...record, rev: 1, description: 'second' }))
      expect(await stores.records.get('instance', record.uuid)).toMatchObject({ rev: 2, description: 'second' })
    })

    test('refuses another rev, a record that is there, and one that is gone', async () => {
      const record = alias()
      const changed = { outcome: 'changed', noun: 'alias', uuid: record.uuid }
      expect(await write(putAlias({ ...record, rev: 1 }))).toEqual(changed)
      await write(putAlias(record))
      expect(await write(putAlias(record))).toEqual(changed)
      expect(await write({ change: 'remove', noun: 'alias', uuid: record.uuid, rev: 2 })).toEqual(changed)
      expect(await write({ change: 'remove', noun: 'alias', uuid: record.uuid, rev: 1 })).toEqual({
        outcome: 'written',
      })
      expect(await write(putAlias({ ...record, rev: 1 }))).toEqual(changed)
    })

    test('tells what belongs to an instance, until it belongs to another or is gone', async () => {
      const [a, b] = [lease({ name: '10.0.0.2' }), lease({ name: '10.0.0.1', network: 'other' })]
      const others = lease({ name: '10.0.0.3', instance: 'i2' })
      for (const record of [a, b, others]) await write({ change: 'put', noun: 'lease', record })
      expect(await stores.records.owned('lease', a.instance)).toEqual([
        { ...b, rev: 1 },
        { ...a, rev: 1 },
      ])
      expect(await stores.records.owned('nickname', a.instance)).toEqual([])
      await write({ change: 'put', noun: 'lease', record: { ...a, rev: 1, instance: 'i2' } })
      await write({ change: 'remove', noun: 'lease', uuid: others.uuid, rev: 1 })
      expect(await stores.records.owned('lease', a.instance)).toEqual([{ ...b, rev: 1 }])
      expect(await stores.records.owned('lease', 'i2')).toEqual([{ ...a, rev: 2, instance: 'i2' }])
    })

    test('all or nothing', async () => {
      const [first, second] = [alias({ name: 'a' }), alias({ name: 'b', rev: 7 })]
      expect(await write(putAlias(first), putAlias(second))).toMatchObject({ outcome: 'changed', uuid: second.uuid })
      expect(await stores.records.list('alias')).toEqual([])
      expect(await eventsOf(stores)).toEqual([])
    })

    test('names are unique in their scope', async () => {
      await write(putAlias(alias()))
      const claim = { noun: 'alias', scope: 'default', name: 'a1' }
      expect(await write(putAlias(alias()))).toEqual({ outcome: 'name-taken', claim })
      expect(await write(putAlias(alias({ project: 'other' })))).toEqual({ outcome: 'written' })
      expect(await write(putAlias(alias({ name: 'a2' })), putAlias(alias({ name: 'a2' })))).toMatchObject({
        outcome: 'name-taken',
      })
    })

    test('a name that an operation reserved is not free', async () => {
      const claim = { noun: 'instance', scope: 'default', name: 'c1' } as const
      const own = await running(stores, acceptance({ names: [claim] }))
      expect(await write(putInstance(instance()))).toEqual({ outcome: 'name-taken', claim })
      await stores.operations.end(own, ending())
      expect(await write(putInstance(instance()))).toEqual({ outcome: 'written' })
    })

    test('a rename moves the name, a removal frees it', async () => {
      const record = alias()
      await write(putAlias(record))
      await write(putAlias({ ...record, rev: 1, name: 'a2' }))
      expect(await stores.records.find('alias', 'default', 'a1')).toBeUndefined()
      expect(await stores.records.find('alias', 'default', 'a2')).toMatchObject({ uuid: record.uuid })
      await write({ change: 'remove', noun: 'alias', uuid: record.uuid, rev: 2 })
      expect(await stores.records.find('alias', 'default', 'a2')).toBeUndefined()
      expect(await stores.records.get('alias', record.uuid)).toBeUndefined()
      expect(await write(putAlias(alias({ name: 'a2' })))).toEqual({ outcome: 'written' })
    })

    test('is refused while an operation owns the object', async () => {
      const record = instance()
      await write(putInstance(record))
      const key = `instance:${record.uuid}` as const
      await submit(stores, acceptance({ busy: [{ key, mode: 'use', action: 'exec' }] }))
      const change = putInstance({ ...record, rev: 1 })
      expect(await stores.records.write({ changes: [change], unlessBusy: [key], at })).toEqual({ outcome: 'written' })
      const other = `instance:${instance().uuid}` as const
      const operation = await submit(stores, acceptance({ busy: [{ key: other, mode: 'own', action: 'stop' }] }))
      const refused = await stores.records.write({ changes: [], unlessBusy: [key, other], at })
      expect(refused).toEqual({ outcome: 'busy', key: other, action: 'stop', operation })
    })

    test('keeps the answer for a repeat', async () => {
      const answer = { status: 201, location: '/1.0/images/aliases/a1', body: '{"metadata":{}}' }
      const idempotency = { key: 'alice/default/k1', fingerprint: 'f1', ttl: 60_000, answer }
      const record = alias()
      expect(await stores.records.write({ changes: [putAlias(record)], idempotency, at })).toEqual({
        outcome: 'written',
      })
      const repeat = { outcome: 'repeat', fingerprint: 'f1', operation: '', answer }
      expect(await stores.records.write({ changes: [putAlias(record)], idempotency, at })).toEqual(repeat)
      expect(await stores.records.idempotent('alice/default/k1')).toEqual(repeat)
      expect(await stores.operations.accept(acceptance({ idempotency }))).toEqual(repeat)
    })

    test('tells the readers, with a number that grows by one', async () => {
      const record = alias()
      await stores.records.write({ changes: [putAlias(record)], lifecycle: [lifecycle('image-alias-created')], at })
      await write({ change: 'remove', noun: 'alias', uuid: record.uuid, rev: 1 })
      expect(await eventsOf(stores)).toMatchObject([
        { type: 'record', at, inv: 1, changes: [{ noun: 'alias', record: { ...record, rev: 1 } }], observed: [] },
        { type: 'lifecycle', at, project: 'default', lifecycle: lifecycle('image-alias-created') },
        { type: 'record', at, inv: 2, changes: [{ noun: 'alias', uuid: record.uuid, removed: true }] },
      ])
    })

    test('fifty at once from one rev: one wins', async () => {
      const record = alias()
      await write(putAlias(record))
      const texts = Array.from({ length: 50 }, (_, n) => `${n}`)
      const answers = await Promise.all(texts.map((description) => write(putAlias({ ...record, rev: 1, description }))))
      expect(answers.filter(({ outcome }) => outcome === 'written')).toHaveLength(1)
      expect(await stores.records.get('alias', record.uuid)).toMatchObject({ rev: 2 })
    })
  })

  describe('read', () => {
    test('lists by name, all or those of a scope', async () => {
      const [b, a, z] = [alias({ name: 'b' }), alias({ name: 'a' }), alias({ name: 'A', project: 'other' })]
      await write(putAlias(b), putAlias(a), putAlias(z))
      const names = async (scope?: string) => (await stores.records.list('alias', scope)).map(({ name }) => name)
      expect(await names()).toEqual(['A', 'a', 'b'])
      expect(await names('default')).toEqual(['a', 'b'])
      expect(await names('nowhere')).toEqual([])
      expect(await stores.records.list('profile')).toEqual([])
    })

    test('snapshots are named within their instance', async () => {
      const [one, two] = [instance({ name: 'c1' }), instance({ name: 'c2' })]
      const snapshots = [one, two].map(({ uuid }) => snapshot({ instance: uuid }))
      const changes = snapshots.map((record) => ({ change: 'put', noun: 'snapshot', record }) as const)
      expect(await write(putInstance(one), putInstance(two), ...changes)).toEqual({ outcome: 'written' })
      expect(await stores.records.find('snapshot', two.uuid, 'snap0')).toMatchObject({ uuid: snapshots[1]?.uuid })
      expect(await stores.records.list('snapshot', one.uuid)).toMatchObject([{ uuid: snapshots[0]?.uuid }])
    })
  })
}
