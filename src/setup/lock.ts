import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SetupError } from './host.ts'
import { isRunning, noteProcess, type ProcessNote } from './processes.ts'

/** The lock that one supervisor holds on a data directory. */
export interface DataLock {
  release(): Promise<void>
}

/** Takes the lock; throws one sentence where a running process has it. A dead one's is taken over. */
export async function takeLock(dataDir: string): Promise<DataLock> {
  const path = lockPath(dataDir)
  const own = `${path}.${process.pid}`
  await writeFile(own, JSON.stringify(await noteProcess(process.pid)), { mode: 0o600 })
  try {
    // A link is made whole or not at all, and never over another one.
    while (!(await isLinked(own, path))) await clearDeadLock(dataDir)
  } finally {
    await rm(own, { force: true })
  }
  return { release: () => rm(path, { force: true }) }
}

/** The process that holds the lock now, or undefined. */
export async function findLockHolder(dataDir: string): Promise<ProcessNote | undefined> {
  const note = await readNote(lockPath(dataDir))
  return note !== undefined && (await isRunning(note)) ? note : undefined
}

async function clearDeadLock(dataDir: string): Promise<void> {
  const holder = await findLockHolder(dataDir)
  if (holder !== undefined) {
    throw new SetupError(
      `Windlass is already running on ${dataDir} (process ${holder.pid}): stop it with "npm run down", or set WINDLASS_DATA_DIR for a second one.`,
    )
  }
  // Moved away first: of two that find the same dead lock only one can move it.
  const grave = `${lockPath(dataDir)}.${process.pid}.dead`
  await rename(lockPath(dataDir), grave).catch(() => undefined)
  await rm(grave, { force: true })
}

function lockPath(dataDir: string): string {
  return join(dataDir, 'up.lock')
}

function isLinked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
      throw error
    },
  )
}

async function readNote(path: string): Promise<ProcessNote | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  // Written by takeLock, whole.
  return text === undefined ? undefined : JSON.parse(text)
}
