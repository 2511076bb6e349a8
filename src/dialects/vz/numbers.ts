/** CTIDs, and the host names beside them: nicknames, each in a scope of its own. */
import { badRequest, isFailure } from '../../core/failure.ts'
import type { Caller } from '../../services/caller.ts'
import type { Listed } from '../../services/directory.ts'
import type { DialectKit } from '../dialect.ts'
import { missing, unlessMissing } from './errors.ts'

export const NUMBERS = 'vz'
export const HOSTNAMES = 'vz.hostname'

/** Below are OpenVZ's own. */
const FIRST_MINTED = 101
const LAST = 2 ** 31 - 1

type Services = Pick<DialectKit['services'], 'directory' | 'nicknames'>

/** An instance with its number and its host name. */
export interface Numbered extends Listed {
  ctid: number
  hostname: string
}

/** Throws bad-request for what is no CTID. */
export function parseNumber(text: string): number {
  const number = Number(text)
  if (!/^[1-9]\d{0,9}$/.test(text) || number > LAST)
    throw badRequest(`Invalid container id "${text}": a whole number from 1 to ${LAST}`)
  return number
}

/** By number. Those that were made elsewhere get one here. */
export async function listNumbered(services: Services, caller: Caller): Promise<Numbered[]> {
  const { directory, nicknames } = services
  const [all, numbers, hostnames] = await Promise.all([
    directory.list(caller, NUMBERS),
    nicknames.all(NUMBERS),
    nicknames.all(HOSTNAMES),
  ])
  const numbered: Numbered[] = []
  for (const listed of all) {
    const { record } = listed.view
    const number = numbers.get(record.uuid) ?? (await mintIfPossible(services, record))
    if (number !== undefined) numbered.push(toNumbered(listed, number, hostnames))
  }
  return numbered.toSorted((a, b) => a.ctid - b.ctid)
}

/** undefined while numbers cannot be written down: what has none yet is not shown then. */
async function mintIfPossible({ nicknames }: Services, record: Listed['view']['record']): Promise<string | undefined> {
  try {
    return await nicknames.mint(NUMBERS, record, FIRST_MINTED)
  } catch (thrown) {
    if (isFailure(thrown, 'unavailable')) return undefined
    throw thrown
  }
}

/** By CTID, or by what else the directory knows; digits alone are always a CTID. Not-found otherwise. */
export async function findNumbered(services: Services, caller: Caller, reference: string): Promise<Numbered> {
  const found = /^\d{1,10}$/.test(reference)
    ? await findByNumber(services, caller, reference)
    : await findById(services, caller, reference)
  if (found === undefined) throw missing()
  return found
}

async function findByNumber(services: Services, caller: Caller, number: string): Promise<Numbered | undefined> {
  const { directory, nicknames } = services
  const uuid = await nicknames.find(NUMBERS, number)
  // Of those without a number one may be meant, as the list would show it.
  if (uuid === undefined) return (await listNumbered(services, caller)).find(({ ctid }) => String(ctid) === number)
  const listed = await unlessMissing(directory.find(caller, NUMBERS, number))
  if (listed?.view.record.uuid !== uuid) return undefined
  return toNumbered(listed, number, await nicknames.all(HOSTNAMES))
}

async function findById(services: Services, caller: Caller, reference: string): Promise<Numbered | undefined> {
  const { directory, nicknames } = services
  const uuid = await nicknames.find(HOSTNAMES, reference)
  const listed = await unlessMissing(directory.find(caller, NUMBERS, uuid ?? reference))
  if (listed === undefined) return undefined
  const number = await nicknames.mint(NUMBERS, listed.view.record, FIRST_MINTED)
  return toNumbered(listed, number, await nicknames.all(HOSTNAMES))
}

function toNumbered(listed: Listed, number: string, hostnames: Map<string, string>): Numbered {
  const { record } = listed.view
  return { ...listed, ctid: Number(number), hostname: hostnames.get(record.uuid) ?? record.name }
}
