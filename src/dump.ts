/** `dump` and `load`: every record as one JSON line, for backups and for moving a deployment to another Redis. */
import { createInterface } from 'node:readline/promises'
import type { Readable } from 'node:stream'
import Value from 'typebox/value'
import type { Config } from './config.ts'
import { RECORDS, type AnyRecord, type Noun } from './contract/records.ts'
import { settleLostRecords } from './lost-records.ts'
import { createWarnings } from './services/warnings.ts'
import { SetupError } from './setup/host.ts'
import { rebuiltKey } from './sweep/rebuild.ts'
import { openDeps, type Deps } from './wire.ts'

const NOUNS = Object.keys(RECORDS) as Noun[] // Object.keys forgets the key type

/** Prints the deployment's id and all records. Operations are not part of it: they end where they began. */
export async function dump(config: Config, print: (line: string) => void): Promise<void> {
  const deps = await openDeps(config, 'worker')
  try {
    print(JSON.stringify({ windlass: 1, deployment: deps.deployment }))
    for (const noun of NOUNS)
      for (const record of await deps.records.list(noun)) print(JSON.stringify({ noun, record }))
  } finally {
    await deps.close()
  }
}

/**
 * Writes the records of a dump into a Redis that has none of them. One that is there already is left as it is and told,
 * unless it was only rebuilt from labels and nobody has changed it since: the dump knows more.
 */
export async function load(config: Config, from: Readable, print: (line: string) => void): Promise<void> {
  const deps = await openDeps(config, 'worker')
  let written = 0
  let kept = 0
  try {
    for await (const line of createInterface({ input: from })) {
      if (line.trim() === '') continue
      const entry = decode(line)
      if (entry === undefined) continue
      if (await write(deps, entry)) written++
      else kept++
    }
    if (written > 0) await settleLostRecords(deps)
  } finally {
    await deps.close()
  }
  print(`${written} records written, ${kept} were there already`)
}

async function write(deps: Deps, entry: AnyRecord): Promise<boolean> {
  return (await put(deps, entry, 0)) || replaceRebuilt(deps, entry)
}

async function replaceRebuilt(deps: Deps, entry: AnyRecord): Promise<boolean> {
  const key = rebuiltKey(entry.noun, entry.record.uuid)
  const warning = await deps.records.find('warning', '', key)
  if (warning === undefined || warning.status === 'resolved' || !(await put(deps, entry, 1))) return false
  await createWarnings(deps).resolve(key)
  return true
}

async function put(deps: Deps, { noun, record }: AnyRecord, rev: number): Promise<boolean> {
  // The decoded pair belongs together; rev 0 asks that nothing is there yet.
  const change = { change: 'put', noun, record: { ...record, rev } } as { change: 'put' } & AnyRecord
  const outcome = await deps.records.write({ changes: [change], at: deps.clock.now() })
  return outcome.outcome === 'written'
}

/** A line → a record; undefined for the header. Throws what is wrong with it. */
function decode(line: string): AnyRecord | undefined {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null) throw new SetupError('This is not a dump: a line is not an object')
  if ('windlass' in value) return undefined
  const { noun, record }: { noun?: unknown; record?: unknown } = value
  const known = NOUNS.find((name) => name === noun)
  if (known === undefined) throw new SetupError(`This dump has a record of an unknown kind: ${String(noun)}`)
  if (!Value.Check(RECORDS[known], record))
    throw new SetupError(`This dump has a ${known} that is no valid record: ${line.slice(0, 200)}`)
  return { noun: known, record } as AnyRecord // checked against this noun's schema just above
}
