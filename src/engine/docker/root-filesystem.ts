/** A root file system on its way into an engine or out of it: which entries go, under which names. */
import type { TarEntry } from './tar-reader.ts'
import { TAR_END, tarHeader, tarPadding } from './tar-writer.ts'
import { normalName } from './tarball-format.ts'
import { badRequest } from '../../core/failure.ts'

/**
 * What is below `root` ('' or 'rootfs/'), as the engine is to unpack it. Left out are device nodes (the engine gives
 * each container its own), names that engines take for deletions (`.wh.…`) and what the engine itself puts there.
 */
export async function* rootTar(entries: AsyncGenerator<TarEntry>, root: string): AsyncGenerator<Buffer> {
  for await (const entry of entries) {
    const whole = normalName(entry.name)
    const name = whole === root.slice(0, -1) ? '' : within(whole, root)
    if (name === undefined || isLeftOut(entry, name)) continue
    const linkname = entry.type === 'link' ? hardLinkTarget(entry, root) : entry.linkname
    yield* entryBytes(entry, name === '' ? './' : name, linkname)
  }
  yield TAR_END
}

/** The same the other way: everything below `root`, which ends with a slash. */
export async function* underRoot(entries: AsyncGenerator<TarEntry>, root: string): AsyncGenerator<Buffer> {
  for await (const entry of entries) {
    const name = normalName(entry.name)
    if (isLeftOut(entry, name)) continue
    const linkname = entry.type === 'link' ? `${root}${normalName(entry.linkname)}` : entry.linkname
    yield* entryBytes(entry, `${root}${name}`, linkname)
  }
}

async function* entryBytes(entry: TarEntry, name: string, linkname: string): AsyncGenerator<Buffer> {
  yield tarHeader({ ...entry, name, linkname, xattrs: ownXattrs(entry) })
  if (entry.size === 0) return
  yield* entry.body()
  yield tarPadding(entry.size)
}

function within(name: string, root: string): string | undefined {
  return name.startsWith(root) ? name.slice(root.length) : undefined
}

function hardLinkTarget(entry: TarEntry, root: string): string {
  const target = within(normalName(entry.linkname), root)
  if (target !== undefined && target !== '') return target
  throw badRequest(`The tarball has a hard link that leads out of it: ${JSON.stringify(entry.name.slice(0, 200))}`)
}

function isLeftOut(entry: TarEntry, name: string): boolean {
  if (name === '') return entry.type !== 'directory'
  if (entry.type === 'character' || entry.type === 'block' || name === '.dockerenv') return true
  return name.split('/').some((part) => part.startsWith('.wh.'))
}

/** `trusted.*` and `security.*` steer the engine's own file system; of those only file capabilities are a file's. */
function ownXattrs({ xattrs }: TarEntry): ReadonlyMap<string, Buffer> {
  if (xattrs.size === 0) return xattrs
  return new Map([...xattrs].filter(([key]) => key === 'security.capability' || key.startsWith('user.')))
}
