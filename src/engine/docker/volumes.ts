/** Named volumes. */
import type { OwnLabels } from '../../core/container.ts'
import type { VolumeDetail, Volumes } from '../../core/engine.ts'
import { conflict } from '../../core/failure.ts'
import { change, removeUnused, type Wire } from './engine-wire.ts'
import { labelFilter, toDockerLabels } from './labels.ts'
import { toVolumeDetail } from './normalize.ts'
import { fields, list } from './read.ts'
import { route } from './requests.ts'
import { copyFiles, type Helping, openVolume, type OpenVolume, readFiles, writeFiles } from './volume-files.ts'

/** The volumes of one engine, and what only this room knows of them. */
export interface PlainVolumes extends Omit<Volumes, 'putFile' | 'getFile'> {
  /** For several calls; whoever opens it lets go of it. */
  open(name: string, labels: OwnLabels, signal?: AbortSignal): Promise<OpenVolume>
}

/** `empty` gives the image its helper containers are made of. */
export function createVolumes(wire: Wire, empty: (signal?: AbortSignal) => Promise<string>): PlainVolumes {
  const helping = (labels: OwnLabels, signal: AbortSignal | undefined): Helping => ({ wire, empty, labels, signal })
  return {
    create: (name, labels, signal) => create(wire, name, labels, signal),
    inspect: (name, signal) => inspect(wire, name, signal),
    list: (signal) => details(wire, '{}', signal),
    find: async (labels, signal) => {
      const found = await details(wire, labelFilter(labels, wire.deployment), signal)
      return found.filter((one) => one.own !== undefined)
    },
    copy: (from, to, labels, signal) => copyFiles(helping(labels, signal), from, to),
    open: (name, labels, signal) => openVolume(helping(labels, signal), name),
    write: (name, tar, labels, signal) => writeFiles(helping(labels, signal), name, tar),
    read: (name, labels, signal) => readFiles(helping(labels, signal), name),
    usage: createUsage(wire),
    remove: (name, signal) =>
      removeUnused(wire, { doing: `removing volume ${name}`, path: route`/volumes/${name}` }, signal),
  }
}

async function details(wire: Wire, filters: string, signal?: AbortSignal): Promise<VolumeDetail[]> {
  const request = { doing: 'listing volumes', method: 'GET', path: '/volumes', query: { filters } } as const
  const { body } = await wire.ask({ ...request, signal })
  return list(fields(body).Volumes).map((one) => toVolumeDetail(one, wire.deployment))
}

async function inspect(wire: Wire, name: string, signal?: AbortSignal): Promise<VolumeDetail | undefined> {
  // What can be no name must not get into a path either.
  if (!/^[A-Za-z0-9][\w.-]*$/.test(name)) return undefined
  const request = { doing: `reading volume ${name}`, method: 'GET', path: route`/volumes/${name}` } as const
  const answer = await wire.ask({ ...request, signal, expect: [404] })
  return answer.status === 404 ? undefined : toVolumeDetail(answer.body, wire.deployment)
}

/** The engine answers with the volume that is there, whatever labels it was asked for. */
async function create(wire: Wire, name: string, labels: OwnLabels, signal?: AbortSignal): Promise<void> {
  const body = { Name: name, Labels: toDockerLabels(labels) }
  const answer = await wire.ask({ ...change(wire, `creating volume ${name}`, signal), path: '/volumes/create', body })
  const { own } = toVolumeDetail(answer.body, wire.deployment)
  if (own?.uuid !== labels.uuid || own.role !== labels.role) throw conflict(`The volume ${name} already exists`)
}

/** Engines before 25 refuse to look twice at the same time: whoever asks meanwhile gets the look that is under way. */
function createUsage(wire: Wire): Volumes['usage'] {
  let looking: Promise<readonly unknown[]> | undefined
  return async (name) => {
    looking ??= look(wire).finally(() => (looking = undefined))
    const found = (await looking).map(fields).find((one) => one.Name === name)
    const { Size: size } = fields(found?.UsageData)
    return typeof size === 'number' && size >= 0 ? size : undefined
  }
}

async function look(wire: Wire): Promise<readonly unknown[]> {
  const request = { doing: 'measuring volumes', method: 'GET', path: '/system/df', query: { type: 'volume' } } as const
  const { body } = await wire.ask({ ...request, timeout: wire.timeouts.work })
  return list(fields(body).Volumes)
}
