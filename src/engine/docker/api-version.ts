/** Which version of its API is spoken with an engine. */
import { unsupported } from '../../core/failure.ts'
import { fields, text } from './read.ts'

/** Oldest and newest API (minor numbers of 1.x) that the tests have run on. */
const OLDEST = 41
const NEWEST = 51

/** From an engine's `/version`: the minor number of the newest API both know; unsupported where there is none. */
export function chooseApi(version: unknown, member: string): number {
  const told = fields(version)
  const engine = `Docker Engine ${text(told.Version)} of member "${member}"`
  const newest = minorOf(told.ApiVersion)
  const oldest = minorOf(told.MinAPIVersion)
  if (newest < OLDEST) throw unsupported(`${engine} is too old: it speaks API 1.${newest}, needed is 1.${OLDEST}`)
  if (oldest > NEWEST) throw unsupported(`${engine} is too new: it wants API 1.${oldest}, known is 1.${NEWEST}`)
  return Math.min(newest, NEWEST)
}

function minorOf(version: unknown): number {
  return Number(/^1\.(\d+)$/.exec(text(version))?.[1] ?? 0)
}
