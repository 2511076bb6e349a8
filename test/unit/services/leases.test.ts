import { expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import type { LeaseRecord, NetworkRecord } from '../../../src/contract/records.ts'
import type { RecordReader } from '../../../src/core/ports.ts'
import { createLeases } from '../../../src/services/leases.ts'
import { instance, lease } from '../../ports/samples.ts'
import { absent } from '../../support/absent.ts'

/** The first of ten addresses is .2, the last .11. */
const NETWORK = { uuid: 'n1', name: 'small', subnet: '10.9.0.0/28', gateway: '10.9.0.1' } as NetworkRecord // all that is read

function leasesOver(held: LeaseRecord[]) {
  const records = absent<RecordReader>('records', {
    list: (async () => [NETWORK]) as unknown as RecordReader['list'], // only networks are listed
    owned: (async (_noun: 'lease', uuid: string) =>
      held.filter((one) => one.instance === uuid)) as unknown as RecordReader['owned'], // only leases are asked for
    find: (async (_noun: 'lease', _scope: string, name: string) =>
      held.find((one) => one.name === name)) as unknown as RecordReader['find'], // only leases are asked for
  })
  const leases = createLeases({ records, clock: systemClock })
  const take = async (of = instance(), address = '') => {
    const nic = { type: 'nic', network: 'small', ...(address !== '' && { 'ipv4.address': address }) }
    const taken = await leases.take(of, { eth0: nic })
    return taken.map(({ name }) => name)
  }
  return { take }
}

function heldAt(...last: number[]): LeaseRecord[] {
  return last.map((byte) => lease({ network: NETWORK.uuid, name: `10.9.0.${byte}`, instance: `i${byte}` }))
}

test('each gets an address that nobody has, also of those that ask in the same moment', async () => {
  const { take } = leasesOver(heldAt(2, 4, 5, 11))
  const taken = await Promise.all(Array.from({ length: 6 }, () => take(instance({ uuid: crypto.randomUUID() }))))
  expect(taken.flat().toSorted()).toEqual(['10.9.0.10', ...[3, 6, 7, 8, 9].map((byte) => `10.9.0.${byte}`)])
  await expect(take()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('10.9.0.0/28') })
})

test('one that was asked for is given where it is free, and kept by the one that has it', async () => {
  const held = heldAt(2)
  const { take } = leasesOver(held)
  await expect(take(instance(), '10.9.0.2')).rejects.toMatchObject({
    code: 'conflict',
    message: 'IP address "10.9.0.2" already defined on another NIC',
  })
  await expect(take(instance(), '10.9.0.1')).rejects.toMatchObject({ code: 'bad-request' })
  expect(await take(instance(), '10.9.0.7')).toEqual(['10.9.0.7'])
  await expect(take(instance(), '10.9.0.7')).rejects.toMatchObject({ code: 'conflict' })
  expect(await take(instance({ uuid: 'i2' }), '10.9.0.2')).toEqual([])
  // What was taken when it was asked for can be had as soon as it is free.
  held.length = 0
  expect(await take(instance(), '10.9.0.2')).toEqual(['10.9.0.2'])
})
