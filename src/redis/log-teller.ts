/** The lines of a process's own log, for those who follow the event type `logging`. */
import type { LogLine } from '../contract/operation-record.ts'
import { runScript, type Database } from './scripts.ts'

export interface LogTeller {
  /** One line as pino writes it. Never waits, never throws. */
  tell(text: string): void
  /** From here on lines are told; those of before follow. */
  connect(database: Database): void
  /** Lines are only written from here on. */
  stop(): void
}

/** So many lines wait for Redis; further ones are only written. */
const WAITING = 100
/** Lines are told together, so that they cost operations nothing: milliseconds. */
const GATHER = 50

export function createLogTeller(): LogTeller {
  let waiting: { line: LogLine; at: number }[] = []
  let database: Database | undefined
  let timer: NodeJS.Timeout | undefined

  async function send(to: Database): Promise<void> {
    const lines = waiting
    waiting = []
    const sent = lines.map(({ line, at }) => runScript(to, 'log', [String(at), '', JSON.stringify(line)]))
    // To say here that a line could not be told would be a line that cannot be told.
    await Promise.allSettled(sent)
    timer = undefined
    if (waiting.length > 0) schedule()
  }

  function schedule(): void {
    const to = database
    if (to !== undefined) timer ??= setTimeout(() => void send(to), GATHER)
  }

  return {
    tell: (text) => {
      const line = toLogLine(text)
      if (line === undefined || waiting.length >= WAITING) return
      waiting.push(line)
      schedule()
    },
    connect: (to) => {
      database = to
      if (waiting.length > 0) schedule()
    },
    stop: () => {
      database = undefined
      clearTimeout(timer)
    },
  }
}

/** pino's numbers → LXD's words. */
const LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warning', 50: 'error', 60: 'fatal' }
const KNOWN = new Set(['level', 'time', 'pid', 'hostname', 'msg'])

/** LXD's shape of a line: what is not the message is context, and text. Of an error only its message is told. */
export function toLogLine(text: string): { line: LogLine; at: number } | undefined {
  const written = parse(text)
  if (written === undefined) return undefined
  const { level, time, msg } = written
  const rest = Object.entries(written).filter(([key, value]) => !KNOWN.has(key) && value !== undefined)
  return {
    line: {
      message: typeof msg === 'string' ? msg : '',
      level: LEVELS[Number(level)] ?? 'info',
      context: Object.fromEntries(rest.map(([key, value]) => [key, toText(value)])),
    },
    at: Date.parse(String(time)) || Date.now(),
  }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) // pino writes an object in each line
  } catch {
    return undefined
  }
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'object' && value !== null && 'message' in value && 'stack' in value)
    return String(value.message)
  return JSON.stringify(value)
}
