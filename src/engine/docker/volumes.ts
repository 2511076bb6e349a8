/** Named volumes. The engine has no call for what is in them: never-started helper containers do. */
import { PassThrough, pipeline, type Readable } from 'node:stream'
import type { OwnLabels, VolumeDetail, Volumes } from '../../core/engine.ts'
import { conflict } from '../../core/failure.ts'
import { createHelper, HELPER_VOLUME, type HelperSpec, removeHelper, withHelper } from './helpers.ts'
import { labelFilter, toDockerLabels } from './labels.ts'
import { toVolumeDetail } from './normalize.ts'
import { plainTar } from './plain-tar.ts'
import { fields, list } from './read.ts'
import { rewriteTar } from './tar-rewrite.ts'
import { route, type Wire } from './wire.ts'

type Plain = Omit<Volumes, 'putFile' | 'getFile'>
const FOLDER = HELPER_VOLUME.slice(1)

/** The volumes of one engine; `empty` gives the image its helpers are made of. */
export function createVolumes(wire: Wire, empty: (signal?: AbortSignal) => Promise<string>): Plain {
  const details = async (filters: string, signal?: AbortSignal): Promise<VolumeDetail[]> => {
    const { body } = await wire.ask({
      doing: 'listing volumes',
      method: 'GET',
      path: '/volumes',
      query: { filters },
      signal,
    })
    return list(fields(body).Volumes).map((one) => toVolumeDetail(one, wire.deployment))
  }
  const helper = async (volume: string, labels: OwnLabels, signal?: AbortSignal) => ({
    image: await empty(signal),
    labels,
    volume: await existing(wire, volume, signal),
  })
  return {
    create: (name, labels, signal) => create(wire, name, labels, signal),
    inspect: (name, signal) => inspect(wire, name, signal),
    list: (signal) => details('{}', signal),
    find: async (labels, signal) => {
      const found = await details(labelFilter(labels, wire.deployment), signal)
      return found.filter((one) => one.own !== undefined)
    },
    copy: async (from, to, labels, signal) => {
      // Two helpers: reading from and writing to the same container wait for each other for ever.
      await withHelper(
        wire,
        await helper(from, labels, signal),
        async (source) => {
          await withHelper(
            wire,
            await helper(to, labels, signal),
            (target) => pour(wire, source, target, signal),
            signal,
          )
        },
        signal,
      )
    },
    write: async (name, tar, labels, signal) => {
      const into = async (id: string): Promise<void> => {
        // Below `/` and with the folder in front: unpacked right in the folder, the engine refuses a link that leaves it.
        const below = rewriteTar(
          plainTar(tar, { mayBeEmpty: true, isPrefixed: true }),
          ({ name: path, linkname, type }) => ({
            name: inFolder(path),
            ...(type === '1' ? { linkname: inFolder(linkname) } : {}),
          }),
        )
        const request = {
          doing: `writing to volume ${name}`,
          method: 'PUT',
          path: route`/containers/${id}/archive`,
        } as const
        await wire.ask({ ...request, query: { path: '/' }, file: below, signal })
      }
      try {
        await withHelper(wire, await helper(name, labels, signal), into, signal)
      } finally {
        tar.destroy()
      }
    },
    read: async (name, labels, signal) => readVolume(wire, await helper(name, labels, signal), signal),
    remove: async (name, signal) => {
      const request = { doing: `removing volume ${name}`, method: 'DELETE', path: route`/volumes/${name}` } as const
      const answer = await wire.ask({ ...request, signal, timeout: wire.timeouts.change, expect: [404, 409] })
      if (answer.status === 404) return 'missing'
      return answer.status === 409 ? 'in-use' : 'removed'
    },
  }
}

async function inspect(wire: Wire, name: string, signal?: AbortSignal): Promise<VolumeDetail | undefined> {
  if (!/^[A-Za-z0-9][\w.-]*$/.test(name)) return undefined
  const request = { doing: `reading volume ${name}`, method: 'GET', path: route`/volumes/${name}` } as const
  const answer = await wire.ask({ ...request, signal, expect: [404] })
  return answer.status === 404 ? undefined : toVolumeDetail(answer.body, wire.deployment)
}

/** The engine answers with the volume that is there, whatever labels it was asked for. */
async function create(wire: Wire, name: string, labels: OwnLabels, signal?: AbortSignal): Promise<void> {
  const body = { Name: name, Labels: toDockerLabels(labels) }
  const request = { doing: `creating volume ${name}`, method: 'POST', path: '/volumes/create', body } as const
  const answer = await wire.ask({ ...request, signal, timeout: wire.timeouts.change })
  const { own } = toVolumeDetail(answer.body, wire.deployment)
  if (own?.uuid !== labels.uuid || own.role !== labels.role) throw conflict(`The volume ${name} already exists`)
}

/** A mount of a missing volume would make one, without our labels. */
async function existing(wire: Wire, name: string, signal?: AbortSignal): Promise<string> {
  const request = { doing: `reading volume ${name}`, method: 'GET', path: route`/volumes/${name}` } as const
  await wire.ask({ ...request, signal })
  return name
}

async function pour(wire: Wire, source: string, target: string, signal?: AbortSignal): Promise<void> {
  const doing = 'copying a volume'
  const from = route`/containers/${source}/archive`
  const file = await wire.stream({ doing, method: 'GET', path: from, query: { path: HELPER_VOLUME }, signal })
  await wire.ask({
    doing,
    method: 'PUT',
    path: route`/containers/${target}/archive`,
    query: { path: '/' },
    file,
    signal,
  })
}

/** The end comes when the helper is gone too: whoever has read a volume may remove it. */
async function readVolume(wire: Wire, helper: HelperSpec, signal?: AbortSignal): Promise<Readable> {
  const id = await createHelper(wire, helper, signal)
  try {
    const doing = `reading volume ${helper.volume ?? ''}`
    // With the dot at its end the names begin below the folder.
    const query = { path: `${HELPER_VOLUME}/.` }
    const tar = await wire.stream({ doing, method: 'GET', path: route`/containers/${id}/archive`, query, signal })
    const ending = new PassThrough({ flush: (done) => void removeHelper(wire, id).then(() => done()) })
    pipeline(tar, ending, () => void removeHelper(wire, id))
    // Whoever has let go of the stream hears nothing more.
    ending.on('error', () => undefined)
    return ending
  } catch (error) {
    await removeHelper(wire, id)
    throw error
  }
}

function inFolder(path: string): string {
  return `${FOLDER}/${path.replace(/^(\.?\/)+/, '').replace(/^\.$/, '')}`
}
