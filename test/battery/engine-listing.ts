/** Everything on an engine that carries our labels or tags. */
import { askEngine } from '../support/ask-engine.ts'

export interface Seen {
  what: 'container' | 'volume' | 'tag' | 'image' | 'network'
  name: string
  /** By which records may point to it; of a tag: itself and its image. */
  ids: string[]
  role: string
  uuid: string
  operation: string
  /** An image that something else on the engine is made from, or a volume that a container mounts. */
  isUsed: boolean
}

type Labels = Record<string, string> | null

interface Container {
  Id: string
  Names: string[]
  ImageID: string
  Labels: Labels
  /** A volume's has its name. */
  Mounts: { Name?: string }[] | null
}

export async function listEngine(socket: string): Promise<Seen[]> {
  const ask = async <T>(path: string): Promise<T> => {
    const { status, text } = await askEngine(socket, 'GET', path)
    if (status !== 200) throw new Error(`The engine answers ${status}: ${text}`)
    return JSON.parse(text)
  }
  const [containers, { Volumes: volumes }, images, networks] = await Promise.all([
    ask<Container[]>('/containers/json?all=true'),
    ask<{ Volumes: { Name: string; Labels: Labels }[] | null }>('/volumes'),
    ask<{ Id: string; ParentId: string; RepoTags: string[] | null; Labels: Labels }[]>('/images/json?all=true'),
    ask<{ Id: string; Name: string; Labels: Labels }[]>('/networks'),
  ])
  const used = new Set([...containers.map(({ ImageID }) => ImageID), ...images.map(({ ParentId }) => ParentId)])
  const mounted = new Set(containers.flatMap(({ Mounts }) => (Mounts ?? []).map(({ Name }) => Name)))
  return [
    ...containers.map(({ Id, Names, Labels }) => seen('container', (Names[0] ?? Id).slice(1), [Id], Labels)),
    ...(volumes ?? []).map(({ Name, Labels }) => ({
      ...seen('volume', Name, [Name], Labels),
      isUsed: mounted.has(Name),
    })),
    ...networks.map(({ Id, Name, Labels }) => seen('network', Name, [Id], Labels)),
    ...images.flatMap((image) => seenImage(image, used.has(image.Id))),
  ].filter(({ role, what }) => role !== '' || what === 'tag')
}

function seen(what: Seen['what'], name: string, ids: string[], labels: Labels): Seen {
  const read = (key: string): string => labels?.[`windlass.${key}`] ?? ''
  return { what, name, ids, role: read('role'), uuid: read('uuid'), operation: read('operation'), isUsed: false }
}

function seenImage(
  { Id, RepoTags, Labels }: { Id: string; RepoTags: string[] | null; Labels: Labels },
  isUsed: boolean,
): Seen[] {
  const tags = (RepoTags ?? []).filter((tag) => tag !== '<none>:<none>')
  if (tags.length === 0) return [{ ...seen('image', Id, [Id], Labels), isUsed }]
  const own = tags.filter((tag) => tag.startsWith('windlass/') && !tag.startsWith('windlass/empty'))
  return own.map((tag) => ({
    ...seen('tag', tag, [tag, Id], null),
    // These are there for as long as something is made of the image.
    isUsed: isUsed && /^windlass\/(kept|operation):/.test(tag),
  }))
}
