/** From `hostname`, `config` and `source` to an instance under a number. */
import type { InstancesPost } from '../../contract/instance.ts'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { lxdArchitecture } from '../../core/architecture.ts'
import { badRequest, conflict } from '../../core/failure.ts'
import { foreignRefusal, isForeign } from '../../core/foreign.ts'
import { requireRole, type Caller } from '../../services/caller.ts'
import type { DialectKit } from '../dialect.ts'
import { createNamed } from '../naming.ts'
import { findNumbered, HOSTNAMES, listNumbered, NUMBERS, parseNumber } from './numbers.ts'
import { toConfig } from './translate.ts'
import type { Creation } from './wire.ts'

type Source = NonNullable<InstancesPost['source']>

/** Submits it. Bad-request for what cannot be meant, conflict for what is taken, not-found for a source. */
export async function createContainer(
  kit: DialectKit,
  caller: Caller,
  id: string,
  { hostname, config, source }: Creation,
): Promise<OperationRecord> {
  requireRole(caller, 'operator')
  const number = String(parseNumber(id))
  parseHostname(hostname)
  const toSource = SOURCES.get(source.type)
  if (toSource === undefined) throw badRequest(`Unknown source type "${source.type}": image, migration, copy or none`)
  const [all, hostnames] = await Promise.all([
    listNumbered(kit.services, caller),
    kit.services.nicknames.all(HOSTNAMES),
  ])
  if (all.some(({ ctid }) => String(ctid) === number)) throw conflict(`Container ${number} already exists`)
  const same = all.find(({ listed: { view } }) => (hostnames.get(view.record.uuid) ?? view.record.name) === hostname)
  if (same !== undefined) throw conflict(`Host name "${hostname}" is that of container ${same.ctid}`)
  const body = async () => ({ source: await toSource(kit, caller, source), config: toConfig(config ?? {}) })
  const taken = () => conflict(`Container ${number} or host name "${hostname}" already exists`)
  const called = { dialect: HOSTNAMES, name: hostname }
  return createNamed(kit, caller, { dialect: NUMBERS, name: number }, { body, taken, called })
}

function parseHostname(hostname: string): void {
  if (!/^[ -~]{1,64}$/.test(hostname) || /[/:,]/.test(hostname) || hostname.trim() !== hostname)
    throw badRequest('Invalid hostname: 1 to 64 characters of ASCII without slash, colon or comma')
}

const SOURCES = new Map<string, (kit: DialectKit, caller: Caller, source: Creation['source']) => Promise<Source>>([
  ['image', fromImage],
  ['copy', fromCopy],
  ['none', async () => ({ type: 'none' })],
  ['migration', refuseMigration],
])

async function refuseMigration(): Promise<Source> {
  throw badRequest('Migration between servers is not possible on Docker Engine; use the source "image" or "copy"')
}

/** By alias or fingerprint, by `os` and `release` alone, or by all properties. */
async function fromImage(kit: DialectKit, caller: Caller, source: Creation['source']): Promise<Source> {
  const { imageNames } = kit.services
  const { architecture, arch, ...properties } = source.properties ?? {}
  const { os, release, ...others } = properties
  await checkArchitecture(kit, caller, architecture ?? arch)
  const name = source.fingerprint ?? source.alias
  if (name) return imageNames.byName(caller, name)
  if (Object.keys(properties).length === 0)
    throw badRequest('No image named: properties with "os" and "release", "alias" or "fingerprint"')
  if (os && Object.keys(others).length === 0) return imageNames.byRelease(caller, os, release)
  return { type: 'image', properties }
}

async function checkArchitecture({ services }: DialectKit, caller: Caller, name: string | undefined): Promise<void> {
  if (!name) return
  const runnable = (await services.server.view(caller)).view.environment?.architectures ?? []
  // Empty while the engine is away.
  if (runnable.length > 0 && !runnable.includes(lxdArchitecture(name)))
    throw badRequest(`Architecture "${name}" does not run here, only ${runnable.join(', ')}`)
}

/** Another container, or `101/snap`: a snapshot of one. */
async function fromCopy({ services }: DialectKit, caller: Caller, { source }: Creation['source']): Promise<Source> {
  const [reference = '', ...snapshot] = String(source ?? '').split('/')
  if (reference === '') throw badRequest('No container to copy named: "source" with its number')
  const { where } = await findNumbered(services, caller, reference)
  if (isForeign(where)) throw foreignRefusal(where.name)
  return { type: 'copy', source: [where.name, ...snapshot].join('/') }
}
