import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Connection } from './connection.ts'
import type { Keys } from './keys.ts'

const NAMES = [
  'accept',
  'begin',
  'note',
  'end',
  'cancel',
  'raise-epoch',
  'prune',
  'write-records',
  'find-record',
  'list-records',
  'log',
  'hand-back',
  'free-claim',
  'doubtful-jobs',
] as const
type ScriptName = (typeof NAMES)[number]

interface Script {
  text: string
  sha: string
}

/** A connection and the keys of one deployment: what every adapter of this room works with. */
export interface Database {
  readonly connection: Connection
  readonly keys: Keys
}

const SCRIPTS = new Map<ScriptName, Script>(NAMES.map((name) => [name, load(name)]))

/** Runs one of the scripts in `lua/`; its first comment says what it takes and returns. */
export async function runScript(database: Database, name: ScriptName, args: string[]): Promise<unknown> {
  const { text, sha } = SCRIPTS.get(name) ?? load(name)
  const { prefix } = database.keys
  return database.connection.run(async (redis) => {
    try {
      return await redis.evalsha(sha, 1, prefix, ...args)
    } catch (error) {
      // A Redis that was restarted has forgotten it.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return redis.eval(text, 1, prefix, ...args)
    }
  })
}

function load(name: ScriptName): Script {
  const text = `${read('lib')}\n${read(name)}`
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

function read(file: string): string {
  return readFileSync(new URL(`./lua/${file}.lua`, import.meta.url), 'utf8')
}
