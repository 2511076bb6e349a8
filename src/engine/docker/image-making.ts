/** From a container or a tar to an image. */
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { OwnLabels } from '../../core/container.ts'
import { helperLabels, withHelper } from './helpers.ts'
import { toDockerLabels } from './labels.ts'
import { linesOf } from './ndjson.ts'
import { plainTar } from './plain-tar.ts'
import { fields, type Fields, required, text } from './read.ts'
import { formatReference, parseReference } from './references.ts'
import type { Wire } from './engine-wire.ts'
import { route } from './requests.ts'

export interface Commit {
  container: string
  /** The tag that is to name it. */
  tag: string
  /** Whether the engine freezes the container meanwhile. */
  pause: boolean
  /** Laid over the container's own configuration; labels among it. */
  config: Fields
}

/** `POST /commit`: the id. Never repeatable by itself: a second one makes a second image. */
export async function commitContainer(wire: Wire, commit: Commit, signal?: AbortSignal): Promise<string> {
  const query = { container: commit.container, ...parseReference(commit.tag), pause: commit.pause }
  const doing = `committing container ${commit.container}`
  const request = { doing, method: 'POST', path: '/commit', isChange: true } as const
  const answer = await wire.ask({ ...request, query, body: commit.config, signal, timeout: wire.timeouts.work })
  return required(fields(answer.body).Id, "the new image's id")
}

/** What an image is to be called, and to say. */
export interface NewImage {
  tag: string
  labels: OwnLabels
  config: Fields
}

/**
 * A tar as an image with a configuration. In two steps, since an import's own `changes` refuse some fields, expand `$`
 * and end at 50 kB of labels: import, then commit of a container of it that never runs.
 */
export function imageFromTar(wire: Wire, tar: Readable, make: NewImage, signal?: AbortSignal): Promise<string> {
  const labels = helperLabels(make.labels)
  return reconfigured(wire, (tag) => importTar(wire, tar, { tag, labels }, signal), make, signal)
}

/**
 * A container as an image that says just what `config` says, also where that is no command at all: a commit would take
 * it from the container, and the container of a commit need not have one.
 */
export function imageFromContainer(
  wire: Wire,
  commit: Omit<Commit, 'tag'>,
  make: NewImage,
  signal?: AbortSignal,
): Promise<string> {
  const Labels = toDockerLabels(helperLabels(make.labels))
  const first = { ...commit, config: { ...commit.config, Labels } }
  return reconfigured(wire, (tag) => commitContainer(wire, { ...first, tag }, signal), make, signal)
}

/** Makes an image under a passing tag, and of it one of the same files with the configuration. */
async function reconfigured(
  wire: Wire,
  first: (tag: string) => Promise<string>,
  make: NewImage,
  signal?: AbortSignal,
): Promise<string> {
  const part = `windlass/part:${randomUUID()}`
  try {
    const image = await first(part)
    const config = {
      Cmd: [],
      // Left out, the helper's would be taken.
      Entrypoint: [],
      ...make.config,
      Labels: { ...fields(make.config.Labels), ...toDockerLabels(make.labels) },
    }
    const commitIt = (container: string): Promise<string> =>
      commitContainer(wire, { container, tag: make.tag, pause: false, config }, signal)
    return await withHelper(wire, { image, labels: make.labels }, commitIt, signal)
  } finally {
    // Also after a failure: with the containerd store a broken import leaves a tagged image.
    await untagQuietly(wire, part)
  }
}

/** `POST /images/create?fromSrc=-` of a plain tar: the id. */
export async function importTar(
  wire: Wire,
  tar: Readable,
  make: { tag: string; labels?: OwnLabels; mayBeEmpty?: boolean },
  signal?: AbortSignal,
): Promise<string> {
  const labels = Object.entries(make.labels === undefined ? {} : toDockerLabels(make.labels))
  const query = {
    fromSrc: '-',
    ...parseReference(make.tag),
    changes: labels.map(([key, value]) => `LABEL ${quoted(key)}=${quoted(value)}`),
  }
  const file = plainTar(tar, { mayBeEmpty: make.mayBeEmpty === true, isPrefixed: false })
  const doing = 'importing a file system'
  const request = { doing, method: 'POST', path: '/images/create', timeout: wire.timeouts.work } as const
  const answer = await wire.ask({ ...request, query, file, signal })
  const statuses = linesOf(answer.text, doing).map((line) => text(line.status))
  return required(
    statuses.findLast((status) => status.startsWith('sha256:')),
    "the new image's id",
  )
}

/** As the engine's Dockerfile parser wants it. */
function quoted(value: string): string {
  return `"${value.replaceAll(/["\\$]/g, String.raw`\$&`).replaceAll(/[\r\n]/g, ' ')}"`
}

/** Takes a tag off that was only for the making. Its image stays where another one is built on it. */
async function untagQuietly(wire: Wire, tag: string): Promise<void> {
  const path = route`/images/${formatReference(parseReference(tag))}`
  const request = { doing: `untagging ${tag}`, method: 'DELETE', path, timeout: wire.timeouts.change } as const
  await wire.ask({ ...request, expect: [404, 409] }).catch(() => undefined)
}
