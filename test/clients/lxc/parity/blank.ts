import { stripVTControlCharacters } from 'node:util'
import { parse } from 'yaml'

const NEVER = /^(?:0001-01-01|1970-01-01)T00:00:00Z$/

const PROGRESS =
  /\d+% \([\d.]+\w+\/s\)|^Remapping container filesystem$|^(?:Transferring|Backing up|Copying) (?:(?:the )?storage volume|instance): /

/** What Windlass adds to an operation, under its own name. */
const OWN = 'windlass'

/** Numbers that depend on the machine and the moment. */
const MEASURED =
  /^(?:usage|usage_peak|swap_usage|swap_usage_peak|pid|processes|server_pid|size|used|total|speed|netmask|(?:bytes|packets|errors)_.*)$/

const RULES: readonly (readonly [RegExp, string])[] = [
  [/y{50,}/g, 'y…'],
  [/eyJ[\w+/=]{100,}/g, '<token>'],
  [/-----BEGIN CERTIFICATE-----[\w+/=\\\s.<>]*(?:-----END CERTIFICATE-----|<PEM cut>)?(?:\\n)?/g, '<certificate>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<id>'],
  [/\b[0-9a-f]{64}\b/g, '<fingerprint>'],
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b/g, '<fingerprint>'],
  [/\b\d{4}\/\d\d\/\d\d \d\d:\d\d \w+\b/g, '<time>'],
  [/\b[A-Z][a-z]{2} \d{1,2}, \d{4} at \d{1,2}:\d\d[ap]m \(\w+\)/g, '<time>'],
  [/\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b/g, '<address>'],
  // The engine's networks have no IPv6 addresses: where there are only these there is nothing.
  [/\b(?:fd[0-9a-f]{2}|fe80)(?::[0-9a-f]{0,4}){2,7}(?:\/\d+)?(?: \(\w+\))?/g, ''],
  [/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+|\/\d+)?\b/g, '<address>'],
  // The engine does not tell the host's side of a nic; its name is an id.
  [/\bveth[0-9a-f]+\b/g, ''],
  [/^\s*Host interface: *$/gm, ''],
  [/(?<=,)\d{3,}(?=,)/g, '<pid>'],
  [/\b\d+(?:\.\d+)?(?:B|[kKMGT]i?B)\b/g, '<size>'],
  [/^(PID|\s*Processes|\s*CPU usage \(in seconds\)|\s*Packets (?:received|sent)): \d+$/gm, '$1: <number>'],
  [/^\s*inet6:.*$/gm, ''],
]

/** What a command printed, without what no two servers have in common: ids, times, addresses, sizes, pids, progress. */
export function blank(printed: string): string {
  const text = stripVTControlCharacters(printed).replaceAll('\r', '\n')
  const events = linesOf(text).map(asJson)
  if (events.length > 1 && events.every((event) => event !== undefined))
    return [...new Set(events.flatMap(told))].toSorted().join('\n')
  const value = asJson(text) ?? asYaml(text)
  return value === undefined ? blankText(text) : JSON.stringify(blankValue(value), null, 1)
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '')
}

function blankText(text: string): string {
  const times = text.replaceAll(/\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)/g, (time) =>
    NEVER.test(time) ? time : '<time>',
  )
  const settled = linesOf(times).filter((line) => !PROGRESS.test(line.trim()))
  const ruled = RULES.reduce((so, [pattern, instead]) => so.replace(pattern, instead), settled.join('\n'))
  const lines = linesOf(ruled).map((line) =>
    line
      .replaceAll(/[ \t]+/g, ' ')
      .replaceAll(/-{3,}/g, '-')
      .trim(),
  )
  // The client prints maps in no order, and a random name stands anywhere in a list.
  return lines.toSorted().join('\n')
}

function blankValue(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.filter((item) => !isIpv6(item)).map((item) => blankValue(item))
    return items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  if (typeof value === 'object' && value !== null) {
    // A server's notes to itself: ids, addresses and states of its own.
    const entries = Object.entries(value).filter(([name]) => !name.startsWith('volatile.') && name !== OWN)
    return Object.fromEntries(entries.toSorted(byName).map(([name, of]) => [name, blankValue(of, name)]))
  }
  if (MEASURED.test(key)) return 0
  return typeof value === 'string' ? blankText(value) : value
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

function isIpv6(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'family' in item && item.family === 'inet6'
}

function asJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function asYaml(text: string): unknown {
  if (!/^\s*(?:- )?[a-z_]+:(?: |\n)/.test(text)) return undefined
  try {
    return parse(text)
  } catch {
    return undefined
  }
}

/** An event of a monitor in a word: in which order and how often progress is told depends on the machine. */
function told(event: unknown): string[] {
  const { type, metadata } = event as { type: string; metadata: Record<string, unknown> }
  const { description, status, action, source, context = {} } = metadata
  const happened = [action, source, JSON.stringify(context)].join(' ')
  if (type !== 'lifecycle') return [[description, status].join(' ')]
  // By this the monitor was seen to listen.
  return action === 'profile-updated' ? [] : [happened]
}
