/** `snapshots.schedule` as LXD documents it: five cron fields, or nicknames with a comma and a space between. Times are UTC. */
import type { ValueCheck } from './config-values.ts'

/** The values each field of a cron expression takes. */
interface Cron {
  fields: ReadonlySet<number>[]
  /** Where both name days, either is enough. */
  eitherDay: boolean
}

const NICKNAMES: Record<string, string | undefined> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@annually': '0 0 1 1 *',
  '@yearly': '0 0 1 1 *',
  '@startup': undefined,
  '@never': undefined,
}

interface Field {
  least: number
  most: number
  /** Names of values, beginning with `least`. */
  names?: string[]
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

const FIELDS: Field[] = [
  { least: 0, most: 59 },
  { least: 0, most: 23 },
  { least: 1, most: 31 },
  { least: 1, most: 12, names: MONTHS },
  { least: 0, most: 6, names: DAYS },
]

const MAX_TEXT = 500

/** What is wrong with a schedule; the text is LXD's. */
export const scheduleFault: ValueCheck = (value) =>
  readSchedule(value) === undefined
    ? 'Schedule must be of the form: <minute> <hour> <day-of-month> <month> <day-of-week>'
    : undefined

/** Whether something is due at the minute that holds `at`. What is no schedule is never due. */
export function isDue(schedule: string, at: Date): boolean {
  const words = readSchedule(schedule) ?? []
  return words.some((word) => {
    const cron = parseCron(word in NICKNAMES ? (NICKNAMES[word] ?? '') : word)
    return cron !== undefined && matches(cron, at)
  })
}

/** Whether something is due whenever the instance starts. */
export function isAtStart(schedule: string): boolean {
  return readSchedule(schedule)?.includes('@startup') === true
}

/** The nicknames, or the one cron expression; undefined: neither. */
function readSchedule(text: string): string[] | undefined {
  // It is read every minute for every instance.
  if (text.length > MAX_TEXT) return undefined
  const words = text.split(',').map((word) => word.trim().toLowerCase())
  if (words.every((word) => Object.hasOwn(NICKNAMES, word))) return words
  return parseCron(text) === undefined ? undefined : [text]
}

function parseCron(text: string): Cron | undefined {
  const parts = text.trim().split(/\s+/)
  if (parts.length !== FIELDS.length) return undefined
  const fields = FIELDS.map((field, at) => parseField(parts[at] ?? '', field))
  const known = fields.filter((field) => field !== undefined)
  if (known.length < fields.length) return undefined
  return { fields: known, eitherDay: !isAny(parts[2]) && !isAny(parts[4]) }
}

function isAny(part: string | undefined): boolean {
  return part === undefined || part.startsWith('*') || part.startsWith('?')
}

/** Values, ranges and steps with commas between. */
function parseField(text: string, field: Field): ReadonlySet<number> | undefined {
  const ranges = text.split(',').map((range) => parseRange(range, field))
  return ranges.includes(undefined) ? undefined : new Set(ranges.flatMap((range) => range ?? []))
}

function parseRange(text: string, field: Field): number[] | undefined {
  const [, range = '', step] = /^([^/]+)(?:\/([1-9][0-9]{0,3}))?$/.exec(text) ?? []
  const ends = endsOf(range, field, step !== undefined)
  if (ends === undefined) return undefined
  const [first, last] = ends
  const every = Number(step ?? 1)
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, at) => first + at * every)
}

/** The first and the last value. A single one with a step goes on to the end. */
function endsOf(range: string, field: Field, hasStep: boolean): [number, number] | undefined {
  if (range === '*' || range === '?') return [field.least, field.most]
  const [from = '', to, more] = range.split('-')
  if (more !== undefined) return undefined
  const first = valueOf(from, field)
  const open = hasStep ? field.most : first
  const last = to === undefined ? open : valueOf(to, field)
  return first === undefined || last === undefined || last < first ? undefined : [first, last]
}

function valueOf(text: string, { least, most, names = [] }: Field): number | undefined {
  const named = names.indexOf(text.toLowerCase())
  const number = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN
  const value = named < 0 ? number : least + named
  return value >= least && value <= most ? value : undefined
}

function matches({ fields, eitherDay }: Cron, at: Date): boolean {
  const now = [at.getUTCMinutes(), at.getUTCHours(), at.getUTCDate(), at.getUTCMonth() + 1, at.getUTCDay()]
  const [minute, hour, day, month, weekday] = fields.map((values, index) => values.has(now[index] ?? -1))
  const isDay = eitherDay ? day === true || weekday === true : day === true && weekday === true
  return minute === true && hour === true && month === true && isDay
}
