/** Takes one line of output of the named process. */
export type LineSink = (source: string, line: string) => void

const levelNames: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
}
const leftOut = new Set(['level', 'time', 'pid', 'hostname', 'name', 'msg', 'v'])

/** A line of our own, in the shape of the processes' own logs; `level` 30 is information, 40 a warning. */
export function logLine(level: 30 | 40, msg: string): string {
  return JSON.stringify({ level, time: Date.now(), name: 'up', msg })
}

/** For pipes and journals: JSON lines as they are, anything else wrapped into one. */
export function toJsonLine(source: string, line: string, now: number): string {
  return readObject(line) === undefined ? JSON.stringify({ level: 30, time: now, name: source, msg: line }) : line
}

/** For people: `12:00:01 worker 1 | INFO message key=value`. */
export function toReadableLine(source: string, line: string, now: number): string {
  const fields = readObject(line)
  const time = typeof fields?.['time'] === 'number' ? fields['time'] : now
  const prefix = `${new Date(time).toTimeString().slice(0, 8)} ${source.padEnd(8)} |`
  if (fields === undefined) return `${prefix} ${line}`
  const level = typeof fields['level'] === 'number' ? (levelNames[fields['level']] ?? '') : ''
  const message = typeof fields['msg'] === 'string' ? fields['msg'] : ''
  const rest = Object.entries(fields).filter(([name]) => !leftOut.has(name))
  const pairs = rest.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return [prefix, level, message, ...pairs].filter((part) => part !== '').join(' ')
}

function readObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line)
  } catch {
    // Cut off or not JSON at all: shown as text.
    return undefined
  }
}
