/** Images. */
import { Readable } from 'node:stream'
import type { OwnLabels } from '../../core/container.ts'
import type { ImageDetail, ImageDetailSummary, ImageRuns, Images } from '../../core/engine.ts'
import { internal, notFound } from '../../core/failure.ts'
import { inspectPayload } from './inspect.ts'
import { FLATTEN_FROM, flatten } from './flatten.ts'
import { withoutNames } from './image-archive.ts'
import { originalConfig, wholeConfig, wouldInheritCommand } from './image-config.ts'
import { commitContainer, imageFromContainer, imageFromTar, importTar } from './image-making.ts'
import { isRoleOf, labelFilter, toDockerLabels } from './labels.ts'
import { linesOf } from './ndjson.ts'
import { toImageDetail, toImageSummary } from './normalize.ts'
import { plainTar } from './plain-tar.ts'
import { pull } from './pull.ts'
import { fields, type Fields, list, required, text } from './read.ts'
import { familiar, formatReference, parseReference } from './references.ts'
import { removeUnused, type Wire } from './engine-wire.ts'
import { route } from './requests.ts'

type Basic = Omit<Images, 'importTarball' | 'packTarball'>

/** The tag of the image without files. */
const EMPTY = 'windlass/empty:latest'

/** The images of one engine, but for tarballs of LXD's. */
export function createImages(wire: Wire): Basic {
  return {
    empty: (signal) => empty(wire, signal),
    list: (signal) => summaries(wire, '{}', signal),
    find: (labels, signal) => find(wire, labels, signal),
    inspect: (reference, signal) => inspect(wire, reference, signal),
    commit: (container, options, signal) => commit(wire, container, options, signal),
    importTar: async (tar, options, signal) => {
      checkRole(options.labels)
      const known = await alreadyMade(wire, options, signal)
      if (known !== undefined) {
        tar.destroy()
        return known
      }
      return imageFromTar(wire, tar, { ...options, config: configOf(options) }, signal)
    },
    load: (tar, signal) => load(wire, tar, signal),
    save: (reference, signal) => {
      const request = {
        doing: `saving image ${reference}`,
        method: 'GET',
        path: route`/images/${reference}/get`,
      } as const
      return wire.stream({ ...request, signal, timeout: wire.timeouts.work })
    },
    pull: async (reference, options, signal) => {
      const told = await pull(wire, reference, options, signal)
      const image = await inspect(wire, formatReference(parseReference(reference)), signal)
      if (image === undefined) throw internal(`Image ${reference} is not there after it was pulled`)
      return { id: image.id, digest: told || (image.digests[0]?.split('@')[1] ?? '') }
    },
    tag: (id, tag, signal) => tagImage(wire, id, tag, signal),
    untag: (tag, signal) => untag(wire, tag, signal),
  }
}

function configOf({ command, entrypoint, environment, user, workdir, stopSignal }: ImageRuns): Fields {
  return {
    Cmd: command,
    Env: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
    ...(entrypoint !== undefined && { Entrypoint: entrypoint }),
    ...(user !== undefined && { User: user }),
    ...(workdir !== undefined && { WorkingDir: workdir }),
    ...(stopSignal && { StopSignal: stopSignal }),
  }
}

async function summaries(wire: Wire, filters: string, signal?: AbortSignal): Promise<ImageDetailSummary[]> {
  const request = {
    doing: 'listing images',
    method: 'GET',
    path: '/images/json',
    query: { all: true, filters },
  } as const
  const { body } = await wire.ask({ ...request, signal })
  return list(body).map((one) => toImageSummary(one, wire.deployment))
}

async function find(wire: Wire, labels: Partial<OwnLabels>, signal?: AbortSignal): Promise<ImageDetailSummary[]> {
  const found = await summaries(wire, labelFilter(labels, wire.deployment), signal)
  return found.filter((one) => one.own !== undefined)
}

async function payloadOf(wire: Wire, reference: string, signal?: AbortSignal): Promise<Fields | undefined> {
  if (!/^[A-Za-z0-9][\w.:@/-]*$/.test(reference)) return undefined
  const request = {
    doing: `reading image ${reference}`,
    method: 'GET',
    path: route`/images/${reference}/json`,
  } as const
  const answer = await wire.ask({ ...request, signal, expect: [400, 404] })
  return answer.status < 300 ? fields(answer.body) : undefined
}

async function inspect(wire: Wire, reference: string, signal?: AbortSignal): Promise<ImageDetail | undefined> {
  const payload = await payloadOf(wire, reference, signal)
  if (payload === undefined) return undefined
  const image = toImageDetail(payload, wire.deployment)
  return isNamed(image, reference) ? image : undefined
}

/** The engine takes the beginning of an id for an id. */
function isNamed(image: ImageDetail, reference: string): boolean {
  if (reference === image.id || `sha256:${reference}` === image.id) return true
  const name = familiar(formatReference(parseReference(reference)))
  return [...image.tags, ...image.digests].some((one) => familiar(one) === name)
}

function checkRole({ role }: OwnLabels): void {
  if (!isRoleOf(role, 'image')) throw internal(`An image cannot have the role ${role}`)
}

/** The image that this operation and step has made before. */
async function alreadyMade(
  wire: Wire,
  { labels, tag }: { labels: OwnLabels; tag: string },
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { uuid, role, operation, step } = labels
  const made = (await find(wire, { uuid, role, operation, step }, signal))[0]
  if (made === undefined) return undefined
  await tagImage(wire, made.id, tag, signal)
  return made.id
}

/** A commit whose client died still ends, and a second one would make a second image: look first. */
async function commit(
  wire: Wire,
  reference: string,
  options: { labels: OwnLabels; tag: string; first?: boolean },
  signal?: AbortSignal,
): Promise<string> {
  checkRole(options.labels)
  const known = options.first === true ? undefined : await alreadyMade(wire, options, signal)
  if (known !== undefined) return known
  const payload = await inspectPayload(wire, reference, signal)
  if (payload === undefined) throw notFound(`There is no container ${reference}`)
  const image = await payloadOf(wire, text(payload.Image), signal)
  // One whose image is gone has no other configuration than its own, and engines do not commit it either.
  if (image === undefined) return flatten(wire, payload, { ...options, config: wholeConfig(payload) }, signal)
  if (list(fields(image.RootFS).Layers).length >= FLATTEN_FROM)
    return flatten(wire, payload, { ...options, config: wholeConfig(image) }, signal)
  const container = required(payload.Id, "a container's id")
  // What is paused already was paused by somebody, who will also wake it.
  const pause = text(fields(payload.State).Status) === 'running'
  const config = originalConfig(image, payload)
  if (wouldInheritCommand(config, payload))
    return imageFromContainer(wire, { container, pause, config }, { ...options, config }, signal)
  const Labels = toDockerLabels(options.labels)
  return commitContainer(wire, { container, tag: options.tag, pause, config: { ...config, Labels } }, signal)
}

async function load(wire: Wire, tar: Readable, signal?: AbortSignal): Promise<string> {
  const doing = 'loading an image archive'
  const file = withoutNames(plainTar(tar, { mayBeEmpty: false, isPrefixed: false }))
  const request = { doing, method: 'POST', path: '/images/load', timeout: wire.timeouts.work } as const
  const answer = await wire.ask({ ...request, query: { quiet: true }, file, signal })
  const said = linesOf(answer.text, doing)
    .map((line) => text(line.stream))
    .join('\n')
  const ids = [...said.matchAll(/Loaded image(?: ID)?: (sha256:[0-9a-f]{64})/g)].map((match) => match[1] ?? '')
  if (ids.length !== 1) throw internal(`Failed ${doing}: the engine told ${ids.length} images`)
  return ids[0] ?? ''
}

async function tagImage(wire: Wire, id: string, tag: string, signal?: AbortSignal): Promise<void> {
  const request = { doing: `tagging image ${id} as ${tag}`, method: 'POST', path: route`/images/${id}/tag` } as const
  await wire.ask({ ...request, isChange: true, query: { ...parseReference(tag) }, signal })
}

async function untag(wire: Wire, tag: string, signal?: AbortSignal): Promise<'removed' | 'missing' | 'in-use'> {
  // With its tag the name can be taken for no id; by id a forceless delete would take all names.
  const name = formatReference(parseReference(tag))
  return removeUnused(wire, { doing: `untagging ${tag}`, path: route`/images/${name}` }, signal)
}

/** Made where it is missing. Two that make it at once leave one without a name, which does no harm. */
async function empty(wire: Wire, signal?: AbortSignal): Promise<string> {
  const known = await inspect(wire, EMPTY, signal)
  if (known !== undefined) return known.id
  return importTar(
    wire,
    Readable.from([Buffer.alloc(1024)], { objectMode: false }),
    { tag: EMPTY, mayBeEmpty: true },
    signal,
  )
}
