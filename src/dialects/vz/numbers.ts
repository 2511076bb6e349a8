/** CTIDs, and the host names beside them: nicknames, each in a scope of its own. */
import { badRequest, isFailure } from '../../core/failure.ts'
import type { Caller } from '../../services/caller.ts'
import type { Listed } from '../../services/directory.ts'
import type { DialectKit } from '../dialect.ts'
import { missing } from './errors.ts'

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
export async function listNumbered(
  { directory, nicknames }: Services,
  caller: Caller,
): Promise<{ ctid: number; listed: Listed }[]> {
  const numbered: { ctid: number; listed: Listed }[] = []
  for (const listed of await directory.list(caller, NUMBERS)) {
    const { isNamed, nickname, view } = listed
    const number = isNamed ? nickname : await mintIfPossible(nicknames, view.record)
    if (number !== undefined) numbered.push({ ctid: Number(number), listed })
  }
  return numbered.toSorted((a, b) => a.ctid - b.ctid)
}

/** undefined while numbers cannot be written down: what has none yet is not shown then. */
async function mintIfPossible(
  nicknames: Services['nicknames'],
  record: Listed['view']['record'],
): Promise<string | undefined> {
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
  if (uuid === undefined) {
    // Of those without a number one may be meant, as the list would show it.
    const found = (await listNumbered(services, caller)).find(({ ctid }) => String(ctid) === number)
    return found && toNumbered(services, found.listed, number)
  }
  const listed = await directory.look(caller, NUMBERS, number)
  return listed?.view.record.uuid === uuid ? toNumbered(services, listed, number) : undefined
}

async function findById(services: Services, caller: Caller, reference: string): Promise<Numbered | undefined> {
  const { directory, nicknames } = services
  const uuid = await nicknames.find(HOSTNAMES, reference)
  const listed = await directory.look(caller, NUMBERS, uuid ?? reference)
  if (listed === undefined) return undefined
  const { isNamed, nickname, view } = listed
  return toNumbered(services, listed, isNamed ? nickname : await nicknames.mint(NUMBERS, view.record, FIRST_MINTED))
}

async function toNumbered({ nicknames }: Services, listed: Listed, number: string): Promise<Numbered> {
  const { uuid, name } = listed.view.record
  return { ...listed, ctid: Number(number), hostname: (await nicknames.of(HOSTNAMES, uuid)) ?? name }
}
