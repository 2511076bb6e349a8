/** What an uploaded tarball is: unpacked under bounds, read once from end to end before anything of it is used. */
import type { Boot } from '../../contract/records.ts'
import { badRequest } from '../../core/failure.ts'
import { readTar, type TarEntry } from './tar-reader.ts'

/** What a first reading found. */
export interface Survey {
  /** `metadata.yaml`'s text. */
  metadata: string | undefined
  /** `manifest.json`'s text. */
  manifest: string | undefined
  /** The first files, by normal name, with where a link leads ('' for none): those of a `docker save` are among them. */
  saved: Map<string, string>
  hasRootfs: boolean
  /** The texts below `templates/`, by name. */
  templates: Map<string, string>
  probes: Probes
}

/** A few paths of a root file system: where a link leads, '' for what is no link. */
type Probes = Map<string, string>

const MAX_ENTRIES = 2_000_000
const MAX_NAME = 4096
const MAX_COMPONENT = 255
const MAX_TEXT = 1024 * 1024
const MAX_SAVED = 10_000
const MAX_SAVED_NAME = 256
const MAX_LINKS = 16
const MAX_TEMPLATES = 100
const MAX_TEMPLATE = 64 * 1024

const DIRECTORIES = ['bin', 'sbin', 'usr', 'usr/bin', 'usr/sbin']
const PROBED: ReadonlySet<string> = new Set(
  DIRECTORIES.flatMap((directory) => [directory, `${directory}/init`, `${directory}/sh`]).flatMap((path) => [
    path,
    `rootfs/${path}`,
  ]),
)

/** Reads every entry and checks every name; throws bad-request for what no image can be made of. */
export async function surveyTarball(source: AsyncIterable<Buffer>): Promise<Survey> {
  const survey: Survey = {
    metadata: undefined,
    manifest: undefined,
    saved: new Map(),
    hasRootfs: false,
    templates: new Map(),
    probes: new Map(),
  }
  for await (const entry of boundedTar(source)) await look(survey, entry, normalName(entry.name))
  return survey
}

/** All entries; bad-request for a tarball without any, and for one with more than any file system should have. */
export async function* boundedTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  let entries = 0
  for await (const entry of readTar(source)) {
    entries += 1
    if (entries > MAX_ENTRIES) throw badRequest(`The tarball has more than ${MAX_ENTRIES} entries`)
    yield entry
  }
  if (entries === 0) throw badRequest('The tarball is empty')
}

async function look(survey: Survey, entry: TarEntry, name: string): Promise<void> {
  if (entry.type === 'link') normalName(entry.linkname)
  if (name.startsWith('rootfs/')) survey.hasRootfs = true
  probe(survey, entry, name)
  if (entry.type !== 'directory' && name.length <= MAX_SAVED_NAME && survey.saved.size < MAX_SAVED)
    survey.saved.set(name, entry.type === 'file' ? '' : entry.linkname)
  if (entry.type === 'file') await lookInto(survey, entry, name)
}

/** Notes an entry that says how a root file system boots, by its normal name. */
export function probe({ probes }: Pick<Survey, 'probes'>, entry: TarEntry, name: string): void {
  if (PROBED.has(name)) probes.set(name, targetOf(entry))
}

async function lookInto(survey: Survey, entry: TarEntry, name: string): Promise<void> {
  if (name === 'metadata.yaml') survey.metadata = await readText(entry, name)
  if (/^templates\/[^/]+$/.test(name) && entry.size <= MAX_TEMPLATE && survey.templates.size < MAX_TEMPLATES)
    survey.templates.set(name.slice('templates/'.length), await readText(entry, name))
  if (name === 'manifest.json' && entry.size <= MAX_TEXT) survey.manifest = await readText(entry, name)
}

function targetOf(entry: TarEntry): string {
  if (entry.type === 'symlink') return entry.linkname
  return entry.type === 'link' ? `/${normalName(entry.linkname).replace(/^rootfs\//, '')}` : ''
}

/** A small file's text. */
export async function readText(entry: TarEntry, name: string, most = MAX_TEXT): Promise<string> {
  if (entry.size > most) throw badRequest(`${name} in the tarball is larger than ${most} bytes`)
  const chunks: Buffer[] = []
  for await (const chunk of entry.body()) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/**
 * `./a//b/` and `/a/b` → `a/b`; the root is ''. A name that climbs out, or that no file system takes, is a bad-request.
 */
export function normalName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  const isPossible =
    name.length <= MAX_NAME && !name.includes('\0') && parts.every((part) => part.length <= MAX_COMPONENT)
  if (isPossible && !parts.includes('..')) return parts.join('/')
  throw badRequest(`The tarball has an entry with the invalid path ${JSON.stringify(name.slice(0, 200))}`)
}

/** How a root file system that was surveyed boots; undefined without an init. `root` is '' or 'rootfs/'. */
export function bootOf(survey: Pick<Survey, 'probes'>, root: string): Exclude<Boot, 'application'> | undefined {
  const found = resolve(survey.probes, root, 'sbin/init')
  if (found === undefined) return undefined
  const program = found.slice(found.lastIndexOf('/') + 1)
  return program === 'systemd' || program === 'busybox' ? program : 'init'
}

export function hasShell(survey: Pick<Survey, 'probes'>, root: string): boolean {
  return resolve(survey.probes, root, 'bin/sh') !== undefined
}

/** Follows the links among the probes; what is outside of them is taken to be there. */
function resolve(probes: Probes, root: string, path: string): string | undefined {
  let at: string[] = []
  let rest = path.split('/')
  for (let links = 0; rest.length > 0;) {
    const [part = '', ...others] = rest
    const next = part === '..' ? at.slice(0, -1) : [...at, part]
    const target = probes.get(root + next.join('/')) ?? ''
    rest = others
    if (target === '') {
      at = next
      continue
    }
    links += 1
    if (links > MAX_LINKS) return undefined
    at = target.startsWith('/') ? [] : at
    rest = [...target.split('/').filter((name) => name !== '' && name !== '.'), ...others]
  }
  const found = root + at.join('/')
  return PROBED.has(found) && !probes.has(found) ? undefined : at.join('/')
}
