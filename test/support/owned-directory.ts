import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOf } from '../../src/setup/processes.ts'

const OWNER = 'owner.json'

interface Owner {
  readonly pid: number
  readonly start: string | undefined
}

/**
 * A new directory directly under the temporary one (unix socket paths hold 107 bytes) or another, with a note who made
 * it, so that a later run finds what a killed one has left.
 */
export async function makeOwnedDirectory(prefix: string, parent = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, prefix))
  const owner: Owner = { pid: process.pid, start: await startOf(process.pid) }
  await writeFile(join(directory, `${OWNER}.new`), JSON.stringify(owner))
  await rename(join(directory, `${OWNER}.new`), join(directory, OWNER))
  return directory
}

/** Hands each directory of this prefix whose maker is dead to `clean` and removes it. Never throws: it is a courtesy. */
export async function sweepLeftovers(
  prefix: string,
  clean: (directory: string) => Promise<void>,
  parent = tmpdir(),
): Promise<void> {
  const names = (await readdir(parent)).filter((name) => name.startsWith(prefix))
  for (const name of names) {
    const directory = join(parent, name)
    if (!(await isAbandoned(directory))) continue
    await clean(directory)
      .then(() => rm(directory, { recursive: true, force: true }))
      .catch((error: unknown) => process.stderr.write(`left over and not removable: ${directory}: ${String(error)}\n`))
  }
}

async function isAbandoned(directory: string): Promise<boolean> {
  const text = await readFile(join(directory, OWNER), 'utf8').catch(() => undefined)
  // No note: its maker is between two calls, or it is none of ours.
  if (text === undefined) return false
  // Our own note, written whole by a rename.
  const owner: Owner = JSON.parse(text)
  return (await startOf(owner.pid)) !== owner.start
}
