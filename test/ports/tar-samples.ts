/** Small tar archives for tests. */
import { buffer } from 'node:stream/consumers'
import { extract, pack } from 'tar-stream'

export interface TarSample {
  name: string
  type?: 'file' | 'directory' | 'symlink' | 'link'
  mode?: number
  uid?: number
  gid?: number
  linkname?: string
  body?: string | Buffer
}

/** tar-stream cuts an owner above this to six octal digits. */
const MAX_OWNER = 0o777777

/** A tar of these entries. */
export function makeTar(...entries: TarSample[]): Promise<Buffer> {
  const tar = pack()
  for (const { body, ...header } of entries) {
    const pax = header.uid !== undefined && header.uid > MAX_OWNER ? { pax: { uid: String(header.uid) } } : {}
    tar.entry({ ...header, ...pax }, Buffer.from(body ?? ''))
  }
  tar.finalize()
  return buffer(tar)
}

/** The entries of a tar by name, without leading `./` and trailing slash. */
export async function readTar(
  tar: Buffer,
  encoding: BufferEncoding = 'utf8',
): Promise<Map<string, TarSample & { body: string }>> {
  const entries = new Map<string, TarSample & { body: string }>()
  const reading = extract()
  reading.end(tar)
  for await (const entry of reading) {
    const { name, type, mode, uid, gid, linkname } = entry.header
    const body = (await buffer(entry)).toString(encoding)
    const kind = type === 'directory' || type === 'symlink' || type === 'link' ? type : ('file' as const)
    // Older engines put the bits of the type into the mode as well.
    const rights = (mode ?? 0) & 0o7777
    const sample = { name, type: kind, mode: rights, uid: uid ?? 0, gid: gid ?? 0, body, linkname: linkname ?? '' }
    entries.set(name.replace(/^\.\//, '').replace(/\/$/, ''), sample)
  }
  return entries
}
