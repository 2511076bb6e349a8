import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { askEngine } from './ask-engine.ts'

/** What an engine holds of ours, as it is seen from outside. */
export interface EngineObjects {
  /** Names. */
  containers: string[]
  paused: string[]
  running: string[]
  /** How many there are of each role. */
  volumes: Record<string, number>
  /** Tags of ours, by what they are for: `snapshot`, `image`, `instance`, `kept`, `part`. */
  tags: Record<string, number>
}

interface Listed {
  Names: string[]
  State: string
  Labels: Record<string, string>
}

/** Everything that carries our labels or tags, but for the empty image and what belongs to no operation. */
export async function engineObjects(socket: string): Promise<EngineObjects> {
  const ask = async <T>(path: string): Promise<T> => JSON.parse((await askEngine(socket, 'GET', path)).text)
  const [containers, { Volumes: volumes }, images] = await Promise.all([
    ask<Listed[]>('/containers/json?all=true'),
    ask<{ Volumes: { Labels: Record<string, string> | null }[] | null }>('/volumes'),
    ask<{ RepoTags: string[] | null }[]>('/images/json?all=true'),
  ])
  const named = (one: Listed) => (one.Names[0] ?? '').slice(1)
  const inState = (state: string) =>
    containers
      .filter(({ State }) => State === state)
      .map(named)
      .toSorted()
  const tags = images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((tag) => tag.startsWith('windlass/'))
  return {
    containers: containers.map(named).toSorted(),
    paused: inState('paused'),
    running: inState('running'),
    volumes: count((volumes ?? []).map(({ Labels }) => Labels?.['windlass.role'] ?? 'none')),
    tags: count(tags.map((tag) => tag.split(/[/:]/)[1] ?? '').filter((name) => name !== 'empty')),
  }
}

function count(words: string[]): Record<string, number> {
  const groups = Map.groupBy(words, (word) => word)
  return Object.fromEntries([...groups].map(([word, all]) => [word, all.length]))
}

/** A small text file's content as the engine reads it, running or not; undefined when it is not there. */
export async function readFileIn(socket: string, container: string, path: string): Promise<string | undefined> {
  const { status, text } = await askEngine(socket, 'GET', `/containers/${container}/archive?path=${path}`)
  if (status === 404) return undefined
  // One entry: a header of 512 bytes with the size in octal, then the content.
  const size = Number.parseInt(text.slice(124, 135), 8)
  return text.slice(512, 512 + size)
}

/** Writes a small text file by the engine alone. */
export async function writeFileIn(
  socket: string,
  container: string,
  directory: string,
  file: { name: string; content: string },
): Promise<void> {
  const tar = pack()
  tar.entry({ name: file.name }, file.content)
  tar.finalize()
  const path = `/containers/${container}/archive?path=${directory}`
  const { status, text } = await askEngine(socket, 'PUT', path, await buffer(tar))
  if (status !== 200) throw new Error(`Writing ${file.name} into ${container} failed: ${text}`)
}
