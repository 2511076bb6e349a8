/** What the records and the operations under way say there is to be. */
import type { OperationRecord } from '../../src/contract/operation-record.ts'
import { isFinal } from '../../src/core/operation-states.ts'
import type { RecordStore } from '../../src/core/ports.ts'
import { readOperations } from '../../src/redis/read-operations.ts'
import type { Database } from '../../src/redis/scripts.ts'
import type { Seen } from './engine-listing.ts'

export interface Known {
  explains(seen: Seen): boolean
  /** Ids and names that must be on the engine → whose they are. */
  wanted: Map<string, string>
  /** Claims, secrets, jobs and leases of operations that have ended or never were. */
  claims: Set<string>
}

/** A record's pointer to something on the engine. */
interface Pointer {
  id: string
  whose: string
  /** An operation on one of these may be taking it away or putting another one in its place. */
  owners: string[]
}

export async function readKnown(database: Database, records: RecordStore): Promise<Known> {
  const { open, claims } = await readClaims(database)
  const [instances, snapshots, images, volumes, leases, warnings, pointers] = await Promise.all([
    records.list('instance'),
    records.list('snapshot'),
    records.list('image'),
    records.list('volume'),
    records.list('lease'),
    records.list('warning'),
    readPointers(records),
  ])
  const busy = new Set(open.map(({ entity }) => entity.id))
  const running = new Set(open.map(({ id }) => id))
  const pointedAt = new Set(pointers.map(({ id }) => id))
  // What is being made is tagged before its record is written.
  const inputs = JSON.stringify(open.map(({ input }) => input))
  const uuids = new Set([...instances, ...snapshots, ...images].map(({ uuid }) => uuid))
  const superseded = new Set(volumes.flatMap((one) => one.superseded ?? []))
  const imageOf = new Map(instances.map(({ uuid, engineImage }) => [uuid, engineImage]))
  for (const { name, instance } of leases)
    if (!imageOf.has(instance) && !busy.has(instance)) claims.add(`lease ${name} of no instance`)
  // What a restore has put aside stays for as long as a stopped instance's container mounts it.
  const isHeld = ({ what, name, isUsed }: Seen) => isUsed && (what !== 'volume' || superseded.has(name))
  const explains = (seen: Seen): boolean => {
    if (running.has(seen.operation) || isHeld(seen) || seen.ids.some((id) => pointedAt.has(id))) return true
    // What nobody knows anything about is told, and left to people.
    if (warnings.some(({ message }) => message.includes(seen.name))) return true
    if (seen.role === 'output') return uuids.has(seen.uuid)
    const [, noun, owner] = /^windlass\/(\w+):(.{36})/.exec(seen.name) ?? []
    if (owner === undefined) return false
    if (inputs.includes(owner) || busy.has(owner)) return true
    return noun === 'operation' ? running.has(owner) : imageOf.get(owner) === seen.ids[1]
  }
  const settled = pointers.filter(({ owners }) => !owners.some((owner) => busy.has(owner)))
  return { explains, wanted: new Map(settled.map(({ id, whose }) => [id, whose])), claims }
}

async function readPointers(records: RecordStore): Promise<Pointer[]> {
  const [instances, snapshots, backups, images, networks] = await Promise.all([
    records.list('instance'),
    records.list('snapshot'),
    records.list('backup'),
    records.list('image'),
    records.list('network'),
  ])
  const [volumes, volumeSnapshots, volumeBackups] = await Promise.all([
    records.list('volume'),
    records.list('volume-snapshot'),
    records.list('volume-backup'),
  ])
  return [
    ...instances.flatMap(({ uuid, name, container, volumes: own }) => [
      { id: container, whose: `container of instance ${name}`, owners: [uuid] },
      ...own.map(({ volume }) => ({ id: volume, whose: `volume of instance ${name}`, owners: [uuid] })),
    ]),
    ...snapshots.flatMap(({ uuid, name, instance, volumes: own }) => [
      { id: `windlass/snapshot:${uuid}`, whose: `image of snapshot ${name}`, owners: [uuid, instance] },
      ...own.map(({ volume }) => ({ id: volume, whose: `volume of snapshot ${name}`, owners: [uuid, instance] })),
    ]),
    ...images.flatMap(({ uuid, name, tarball }) => [
      { id: `windlass/image:${uuid}`, whose: `image ${name}`, owners: [uuid] },
      ...(tarball === '' ? [] : [{ id: tarball, whose: `tarball of image ${name}`, owners: [uuid] }]),
    ]),
    ...backups.map(({ uuid, name, instance, tarball }) => ({
      id: tarball,
      whose: `tarball of backup ${name}`,
      owners: [uuid, instance],
    })),
    ...volumes.map(({ uuid, name, volume }) => ({ id: volume, whose: `volume ${name}`, owners: [uuid] })),
    ...volumeSnapshots.map(({ uuid, name, parent, volume }) => ({
      id: volume,
      whose: `volume of snapshot ${name}`,
      owners: [uuid, parent],
    })),
    ...volumeBackups.map(({ uuid, name, parent, tarball }) => ({
      id: tarball,
      whose: `tarball of backup ${name}`,
      owners: [uuid, parent],
    })),
    ...networks.map(({ uuid, name, network }) => ({ id: network, whose: `network ${name}`, owners: [uuid] })),
  ]
}

/** Operations under way, and claims whose operations are not. */
async function readClaims(database: Database): Promise<{ open: OperationRecord[]; claims: Set<string> }> {
  const { connection, keys } = database
  const claims = await connection.run(async (redis) => {
    const names = await redis.keys(`${keys.prefix}*`)
    const found = await Promise.all(
      names.map((name) => {
        const parts = name.slice(keys.prefix.length)
        return claimsOf(parts, () => redis.hgetall(name))
      }),
    )
    return new Map(found.flat())
  })
  const open = await connection.run((redis) => redis.zrange(keys.key('ops', 'open'), '0', '-1'))
  const operations = await readOperations(database, [...new Set([...open, ...claims.values()])])
  const going = operations.filter(({ state }) => !isFinal(state))
  const ids = new Set(going.map(({ id }) => id))
  return { open: going, claims: new Set([...claims].filter(([, id]) => !ids.has(id)).map(([claim]) => claim)) }
}

/** The claims that a key holds, each with its operation. */
async function claimsOf(key: string, read: () => Promise<Record<string, string>>): Promise<[string, string][]> {
  const [first, second = ''] = key.split(':')
  if (first === 'secret') return [[key, second]]
  const [, job] = /^bull:.*:op-([0-9a-f-]{36})$/.exec(key) ?? []
  if (job !== undefined) return [[`job ${job}`, job]]
  if (first === 'busy')
    return Object.entries(await read()).map(([claim, by]) => [`busy ${claim}`, by.split(' ')[0] ?? ''])
  if (first === 'resv') return Object.entries(await read()).map(([claim, by]) => [`${key} ${claim}`, by])
  if (first === 'use') return Object.keys(await read()).map((by) => [`${key} by ${by}`, by])
  return []
}
