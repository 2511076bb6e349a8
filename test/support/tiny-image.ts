import { findStaticBusybox, makeBusyboxTar, starterImageChanges } from '../../src/setup/starter-image.ts'
import { askEngine } from './ask-engine.ts'

/** Where a static busybox may lie: Debian's busybox-static, or what `npm test` unpacked into the checkout. */
const candidates = [
  '/bin/busybox',
  '/usr/bin/busybox',
  '.cache/busybox-static/bin/busybox',
  '.cache/busybox-static/usr/bin/busybox',
]

/** The reference under which the shared engine holds the tiny image. */
export const TINY_IMAGE = 'windlass-test/busybox:latest'

let tar: Promise<Buffer> | undefined

/** The static busybox of this machine. */
export async function staticBusybox(): Promise<string> {
  const path = await findStaticBusybox(candidates)
  if (path === undefined) throw new Error('No static busybox: apt-get install busybox-static')
  return path
}

/** The root file system of the tiny image (2 MB), made once per process. */
export function tinyImageTar(): Promise<Buffer> {
  tar ??= staticBusybox().then((path) => makeBusyboxTar(path))
  return tar
}

/** Imports the tiny image into an engine under TINY_IMAGE and returns its id, `sha256:…`. */
export async function importTinyImage(socket: string): Promise<string> {
  const changes = starterImageChanges.map((line) => `changes=${encodeURIComponent(line)}`).join('&')
  const [repo, tag] = TINY_IMAGE.split(':')
  const path = `/images/create?fromSrc=-&repo=${repo}&tag=${tag}&${changes}`
  const answer = await askEngine(socket, 'POST', path, await tinyImageTar())
  // Progress is one JSON object a line; the last one of a good import carries the id.
  const id = /"status":"(sha256:[0-9a-f]{64})"/.exec(answer.text)?.[1]
  if (answer.status !== 200 || id === undefined) throw new Error(`Importing the tiny image failed: ${answer.text}`)
  return id
}
