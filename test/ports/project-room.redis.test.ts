import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Config } from '../../src/contract/common.ts'
import type { InstanceRecord } from '../../src/contract/records.ts'
import type { RecordReader } from '../../src/core/ports.ts'
import type { Operations } from '../../src/services/operations.ts'
import { createProfiles } from '../../src/services/profiles.ts'
import type { ProfileEffects } from '../../src/services/profile-effects.ts'
import { newProject } from '../../src/services/new-project.ts'
import { createProjectRoom } from '../../src/services/project-room.ts'
import { createProjects } from '../../src/services/projects.ts'
import { createUsedBy } from '../../src/services/used-by.ts'
import { createWrites } from '../../src/services/writes.ts'
import { absent } from '../support/absent.ts'
import { startDeployments, type TestDeployments } from './redis-deployment.ts'
import { acceptance, instance, putInstance, requestor, snapshot, submit, type Stores } from './samples.ts'

// A project without limits gets some while an instance is made in it: one of the two has to know of the other.

const caller = { role: 'admin', projects: null, requestor } as const
const PROJECT = 'shop'

let deployments: TestDeployments
let stores: Stores

beforeAll(async () => {
  deployments = await startDeployments()
})
afterAll(() => deployments[Symbol.asyncDispose]())
beforeEach(async () => {
  stores = await deployments.stores()
  const { changes } = newProject({ name: PROJECT, description: '', config: {} }, systemClock)
  expect(await stores.records.write({ changes, at: 1 })).toEqual({ outcome: 'written' })
})

const roomOver = (records: RecordReader) => {
  const usedBy = createUsedBy({ records, store: stores.operations })
  return { usedBy, room: createProjectRoom({ records, usedBy }) }
}

/** `afterLook`: what happens after each look at the instances, from 1. */
function projectsWith(afterLook: (look: number) => Promise<unknown> = async () => undefined) {
  const { records } = stores
  let looks = 0
  const list: RecordReader['list'] = async (noun, scope) => {
    const listed = await records.list(noun, scope)
    if (noun === 'instance') await afterLook(++looks)
    return listed
  }
  const reader = { ...records, list }
  const write = createWrites({ records, clock: systemClock })
  const operations = absent<Operations>('operations')
  return createProjects({
    ...roomOver(reader),
    records: reader,
    write,
    operations,
    clock: systemClock,
    member: 'local',
  })
}

/** Takes room for an instance; what writes it then. */
async function taking() {
  const uuid = systemClock.uuid()
  const record = instance({ project: PROJECT, uuid, name: `c-${uuid}` })
  const changes = await roomOver(stores.records).room.take(PROJECT, [record])
  return () => stores.records.write({ changes: [...changes, putInstance(record)], at: 1 })
}

async function come(): Promise<void> {
  const write = await taking()
  expect(await write()).toEqual({ outcome: 'written' })
}

const configOf = async (): Promise<Config | undefined> => (await stores.records.find('project', '', PROJECT))?.config

const WAYS: [string, Config][] = [
  ['limited', { 'limits.instances': '0' }],
  ['restricted', { restricted: 'true' }],
]

test.each(WAYS)('who took room before the project was %s is sent to look again', async (_way, config) => {
  const write = await taking()
  await projectsWith().patch(caller, PROJECT, { config })
  expect(await write()).toMatchObject({ outcome: 'changed', noun: 'project' })
})

test.each(WAYS)('a project is not %s when an instance came after the look at those in it', async (_way, config) => {
  await expect(projectsWith(come).patch(caller, PROJECT, { config })).rejects.toMatchObject({ code: 'conflict' })
  expect(await configOf()).not.toMatchObject(config)
})

test('a refused limit leaves a project in which room is taken without a look at the others', async () => {
  await come()
  const limited = projectsWith().patch(caller, PROJECT, { config: { 'limits.instances': '0' } })
  await expect(limited).rejects.toMatchObject({ code: 'bad-request' })
  expect(await stores.records.find('project', '', PROJECT)).not.toHaveProperty('held')
  const [one, other] = [await taking(), await taking()]
  expect(await one()).toEqual({ outcome: 'written' })
  expect(await other()).toEqual({ outcome: 'written' })
})

describe('until a change of an instance has ended, both count', () => {
  const nesting = { 'security.nesting': 'true' }
  const memory = (size: string): Config => ({ 'limits.memory': size })
  const RESTRICTED = { limits: { restricted: 'true' }, fault: 'Container nesting is forbidden' }
  const FULL = { limits: memory('1GiB'), fault: 'Reached maximum aggregate value "1GiB"' }
  const UNKNOWN = { limits: memory('1GiB'), fault: 'has no "limits.memory" config' }
  const CHANGES = [
    { what: 'loses nesting', now: nesting, later: {}, ...RESTRICTED },
    { what: 'gains nesting', now: {}, later: nesting, ...RESTRICTED },
    { what: 'lowers a limit', now: memory('2GiB'), later: memory('1GiB'), ...FULL },
    { what: 'raises a limit', now: memory('1GiB'), later: memory('2GiB'), ...FULL },
    { what: 'loses a limit', now: memory('1GiB'), later: {}, ...UNKNOWN },
    { what: 'gains a limit', now: {}, later: memory('1GiB'), ...UNKNOWN },
  ]

  async function there(config: Config): Promise<InstanceRecord> {
    const record = instance({ project: PROJECT, config })
    expect(await stores.records.write({ changes: [putInstance(record)], at: 1 })).toEqual({ outcome: 'written' })
    return { ...record, rev: 1 }
  }

  test.each(CHANGES)('an update that $what', async ({ now, later, limits, fault }) => {
    const record = await there(now)
    const input = { instance: record.uuid, next: { ...record, config: later } }
    await submit(stores, acceptance({}, { kind: 'instance.update', project: PROJECT, input }))
    const changing = projectsWith().patch(caller, PROJECT, { config: limits })
    await expect(changing).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining(fault) })
  })

  test.each(CHANGES)('a restoration that $what', async ({ now, later, limits, fault }) => {
    const record = await there(now)
    const kept = snapshot({ project: PROJECT, instance: record.uuid, config: later })
    await stores.records.write({ changes: [{ change: 'put', noun: 'snapshot', record: kept }], at: 1 })
    const input = { instance: record.uuid, snapshot: kept.uuid }
    await submit(stores, acceptance({}, { kind: 'snapshot.restore', project: PROJECT, input }))
    const changing = projectsWith().patch(caller, PROJECT, { config: limits })
    await expect(changing).rejects.toMatchObject({ code: 'bad-request', message: expect.stringContaining(fault) })
  })

  test('a profile that it is about to lose', async () => {
    const config = { restricted: 'true' }
    await projectsWith().patch(caller, PROJECT, { config })
    const [own] = await stores.records.list('profile', PROJECT)
    if (own === undefined) throw new Error('The project has no profile')
    const record = instance({ project: PROJECT, profiles: [own.name] })
    await stores.records.write({ changes: [putInstance(record)], at: 1 })
    const input = { instance: record.uuid, next: { ...record, profiles: [] } }
    await submit(stores, acceptance({}, { kind: 'instance.update', project: PROJECT, input }))
    const changing = roomOver(stores.records).room.takeForProfile({ ...own, config: nesting })
    await expect(changing).rejects.toMatchObject({ code: 'bad-request' })
  })

  test('and an instance is one', async () => {
    const record = await there({})
    const input = { instance: record.uuid, next: record }
    await submit(stores, acceptance({}, { kind: 'instance.update', project: PROJECT, input }))
    await projectsWith().patch(caller, PROJECT, { config: { 'limits.instances': '1' } })
    expect(await projectsWith().state(caller, PROJECT)).toMatchObject({
      resources: { instances: { Limit: 1, Usage: 1 } },
    })
  })
})

test('a copy that is being made counts as it is to become', async () => {
  const draft = instance({ project: PROJECT, config: { 'security.nesting': 'true' } })
  const input = { draft, source: { instance: 'u1', snapshot: '' }, snapshots: [] }
  await submit(stores, acceptance({}, { kind: 'instance.copy', project: PROJECT, input }))
  const restricting = projectsWith().patch(caller, PROJECT, { config: { restricted: 'true' } })
  await expect(restricting).rejects.toMatchObject({ code: 'bad-request' })
})

describe('what a project has of its own', () => {
  const SHARED = { 'features.profiles': 'false' }

  /** `afterCheck`: what happens between the check of a profile that is to be made and its writing. */
  function profilesWith(afterCheck: () => Promise<unknown>) {
    const { records } = stores
    const list: RecordReader['list'] = async (noun, scope) => {
      if (noun === 'network') await afterCheck()
      return records.list(noun, scope)
    }
    const reader = { ...records, list }
    return createProfiles({
      records: reader,
      write: createWrites({ records, clock: systemClock }),
      usedBy: roomOver(reader).usedBy,
      effects: absent<ProfileEffects>('effects'),
      clock: systemClock,
    })
  }

  const profilesOf = async () => (await stores.records.list('profile', PROJECT)).map(({ name }) => name)

  test('comes not after it shares it', async () => {
    const profiles = profilesWith(() => projectsWith().patch(caller, PROJECT, { config: SHARED }))
    const creating = profiles.create(caller, PROJECT, { name: 'late' })
    await expect(creating).rejects.toMatchObject({ code: 'conflict' })
    expect(await profilesOf()).toEqual([])
  })

  test('is not left behind by one that shares it', async () => {
    const makeProfile = () => profilesWith(async () => undefined).create(caller, PROJECT, { name: 'early' })
    const changing = projectsWith(async (look) => look === 2 && makeProfile()).patch(caller, PROJECT, {
      config: SHARED,
    })
    await expect(changing).rejects.toMatchObject({ code: 'conflict' })
    expect(await profilesOf()).toEqual(['default', 'early'])
  })

  test('is made although others take room in the project meanwhile', async () => {
    await projectsWith().patch(caller, PROJECT, { config: { 'limits.instances': '5' } })
    await profilesWith(come).create(caller, PROJECT, { name: 'beside' })
    expect(await profilesOf()).toEqual(['beside', 'default'])
  })

  test('keeps it from being removed while it is being made', async () => {
    const volume = { v: 1, rev: 0, uuid: 'v1', project: PROJECT, name: 'v1', member: 'local', volume: 'windlass-v1' }
    const input = { volume: { ...volume, description: '', config: {}, created_at: '2026-11-21T09:16:00.000Z' } }
    await submit(stores, acceptance({}, { kind: 'volume.create', project: PROJECT, input }))
    await expect(projectsWith().remove(caller, PROJECT)).rejects.toMatchObject({
      code: 'bad-request',
      message: 'Only empty projects can be removed',
    })
  })
})

test('a project into which an instance comes is not removed, and none comes into one that is', async () => {
  const removing = projectsWith(async (look) => look === 2 && come()).remove(caller, PROJECT)
  await expect(removing).rejects.toMatchObject({ code: 'conflict' })
  const [{ uuid, rev }] = (await stores.records.list('instance', PROJECT)) as [InstanceRecord] // one has come
  await stores.records.write({ changes: [{ change: 'remove', noun: 'instance', uuid, rev }], at: 1 })
  const write = await taking()
  await projectsWith().remove(caller, PROJECT)
  expect(await write()).toMatchObject({ outcome: 'changed', noun: 'project' })
})
