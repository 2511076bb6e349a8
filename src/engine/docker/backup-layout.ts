/**
 * Where things lie in a backup's tarball, as LXD has it: `backup/index.yaml` first, then `backup/snapshots/<name>/rootfs`
 * and `backup/container/rootfs`. An instance's own volumes are Docker's alone: `volumes/<number>` beside the `rootfs`.
 * Of a custom volume: `backup/volume-snapshots/<name>` and `backup/volume`.
 */
import { badRequest } from '../../core/failure.ts'
import type { TarEntry } from './tar-reader.ts'
import { normalName } from './tarball-format.ts'

export const INDEX = 'backup/index.yaml'
export const INSTANCE_FOLDER = 'backup/container'

export const snapshotFolder = (name: string): string => `backup/snapshots/${name}`
export const rootOf = (folder: string): string => `${folder}/rootfs/`
export const volumeOf = (folder: string, number: number): string => `${folder}/volumes/${number}/`

export const CUSTOM_ROOT = 'backup/volume/'
export const customSnapshotRoot = (name: string): string => `backup/volume-snapshots/${name}/`

/** Names in a tar are bytes, kept as latin1. */
export function inBytes(name: string): string {
  return Buffer.from(name).toString('latin1')
}

export function fromBytes(name: string): string {
  return Buffer.from(name, 'latin1').toString()
}

/** Entries that follow each other and lie in the same root. */
export interface Run {
  root: string
  entries: AsyncGenerator<TarEntry>
}

/**
 * The runs of entries in these roots (which end with a slash), in their order; what lies elsewhere is passed over. Each
 * run ends when the next one is asked for. Bad-request for a root whose entries do not follow each other.
 */
export async function* runsIn(entries: AsyncGenerator<TarEntry>, roots: readonly string[]): AsyncGenerator<Run> {
  const done = new Set<string>()
  let next = await entries.next()
  try {
    while (next.done !== true) {
      const root = rootFor(next.value, roots)
      if (root === undefined) {
        next = await entries.next()
        continue
      }
      if (done.has(root)) throw badRequest(`The backup's parts are mixed: ${root} is there twice`)
      done.add(root)
      const isInside = (): TarEntry | undefined =>
        next.done !== true && rootFor(next.value, [root]) !== undefined ? next.value : undefined
      async function* inside(): AsyncGenerator<TarEntry> {
        for (let entry = isInside(); entry !== undefined; entry = isInside()) {
          yield entry
          next = await entries.next()
        }
      }
      yield { root, entries: inside() }
      while (isInside() !== undefined) next = await entries.next()
    }
  } finally {
    await entries.return(undefined)
  }
}

function rootFor(entry: TarEntry, roots: readonly string[]): string | undefined {
  const name = `${normalName(entry.name)}/`
  return roots.find((root) => name.startsWith(root))
}
