/** What users see of things whose names contain a tag, and what is in them: the same for every run that ends the same. */
import { fieldOf } from '../../src/setup/api-client.ts'
import { readFileIn } from '../support/engine-objects.ts'
import type { Bed } from './bed.ts'

const FILES = ['/root/note', '/data/note', '/root/ran']

export async function look(bed: Bed, tag: string): Promise<string> {
  const [instances, images, networks, volumes, projects] = await Promise.all([
    list(bed, '/1.0/instances?recursion=2'),
    list(bed, '/1.0/images?recursion=1'),
    list(bed, '/1.0/networks?recursion=1'),
    list(bed, '/1.0/storage-pools/default/volumes/custom?recursion=1'),
    list(bed, '/1.0/projects?recursion=1'),
  ])
  const ours = (all: unknown[], fields: string[]) =>
    all.map((one) => pick(one, fields)).filter((one) => JSON.stringify(one).includes(tag))
  const seen = {
    instances: await Promise.all(instances.filter((one) => nameOf(one).includes(tag)).map((one) => lookInto(bed, one))),
    images: ours(images, ['aliases', 'properties', 'cached', 'public']),
    networks: ours(networks, ['name', 'description']),
    volumes: ours(volumes, ['name', 'description', 'config']),
    projects: ours(projects, ['name', 'description']),
  }
  return JSON.stringify(seen, undefined, 1).replaceAll(tag, 'TAG')
}

async function list(bed: Bed, path: string): Promise<unknown[]> {
  const { status, body, text } = await bed.call('GET', path)
  const found = fieldOf(body, 'metadata')
  if (status !== 200 || !Array.isArray(found)) throw new Error(`GET ${path} answered ${status}: ${text}`)
  return found.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)))
}

const nameOf = (one: unknown): string => String(fieldOf(one, 'name') ?? fieldOf(one, 'fingerprint'))

function pick(one: unknown, names: string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, fieldOf(one, name)]))
}

async function lookInto({ windlass, audit }: Bed, instance: unknown): Promise<unknown> {
  const name = nameOf(instance)
  const own = Object.entries(Object(fieldOf(instance, 'config')))
  const config = own
    .filter(([key]) => !key.startsWith('volatile.') || key === 'volatile.recreate')
    .toSorted(([a], [b]) => a.localeCompare(b))
  const snapshots = fieldOf(instance, 'snapshots')
  const backups = fieldOf(instance, 'backups')
  const record = await audit.records.find('instance', 'default', name)
  const files = await Promise.all(FILES.map((path) => readFileIn(windlass.engine.socket, `${name}.lxd`, path)))
  return {
    ...pick(instance, ['name', 'status', 'devices', 'profiles', 'description', 'ephemeral', 'architecture']),
    config,
    snapshots: (Array.isArray(snapshots) ? snapshots : []).map((one) => pick(one, ['name', 'expires_at', 'profiles'])),
    backups: (Array.isArray(backups) ? backups : []).map((one) => pick(one, ['name', 'expires_at', 'instance_only'])),
    power: record?.power,
    volumes: record?.volumes.map(({ path }) => path).toSorted(),
    files,
  }
}
