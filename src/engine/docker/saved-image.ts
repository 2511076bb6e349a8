/**
 * What `docker save` wrote, read for what it must hold and handed to the engine anew: its list, one configuration and
 * the layers, under names of ours, and nothing else of it.
 */
import type { OwnLabels } from '../../core/container.ts'
import { badRequest } from '../../core/failure.ts'
import { toDockerLabels } from './labels.ts'
import { fields, type Fields, list, text, textMap, texts } from './read.ts'
import type { TarEntry } from './tar-reader.ts'
import { newEntry, TAR_END, tarFile, tarHeader, tarPadding } from './tar-writer.ts'
import { normalName, type Survey } from './tarball-format.ts'

/** Where in the archive the parts of its one image are. */
export interface SavedImage {
  config: string
  /** From the lowest to the highest; the same file may stand in it twice. */
  layers: string[]
}

const MAX_LINKS = 8

/** The image that an archive's `manifest.json` lists; undefined for a file that only has this name. */
export function savedImageOf(survey: Survey): SavedImage | undefined {
  const images = survey.manifest === undefined ? [] : list(parseJson(survey.manifest))
  const first = fields(images[0])
  if (text(first.Config) === '' || !Array.isArray(first.Layers)) return undefined
  if (images.length > 1) throw badRequest(`The archive holds ${images.length} images; exactly one is wanted`)
  return { config: fileOf(survey, text(first.Config)), layers: texts(first.Layers).map((path) => fileOf(survey, path)) }
}

/** Old engines save a layer that stands twice as a link. */
function fileOf(survey: Survey, path: string): string {
  let name = normalName(path)
  for (let links = 0; links < MAX_LINKS; links++) {
    const target = survey.saved.get(name)
    if (target === undefined) break
    if (target === '') return name
    const folder = name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : ''
    name = target.startsWith('../') ? normalName(target.slice(3)) : normalName(`${folder}/${target}`)
  }
  throw badRequest(`The archive lists ${JSON.stringify(path.slice(0, 200))} and does not hold it`)
}

/** The configuration with our labels in the place of any such ones. */
export function ownConfig(json: string, labels: OwnLabels): { json: string; architecture: string } {
  const image = fields(parseJson(json))
  if (text(image.os) !== 'linux') throw badRequest(`The image is for "${text(image.os)}"; only linux can be run`)
  const config = fields(image.config)
  const kept = Object.entries(textMap(config.Labels)).filter(([key]) => !key.startsWith('windlass.'))
  const Labels = { ...Object.fromEntries(kept), ...toDockerLabels(labels) }
  const own: Fields = { ...image, config: { ...config, Labels } }
  return { json: JSON.stringify(own), architecture: text(image.architecture) }
}

/** The archive to load. */
export async function* savedTar(
  entries: AsyncGenerator<TarEntry>,
  image: SavedImage,
  config: string,
): AsyncGenerator<Buffer> {
  const names = new Map([...new Set(image.layers)].map((path, at) => [path, `layer-${at}.tar`]))
  const manifest = [{ Config: 'config.json', RepoTags: [], Layers: image.layers.map((path) => names.get(path)) }]
  yield tarFile('manifest.json', Buffer.from(JSON.stringify(manifest)))
  yield tarFile('config.json', Buffer.from(config))
  for await (const entry of entries) {
    const path = normalName(entry.name)
    const name = names.get(path)
    if (name === undefined || entry.type !== 'file') continue
    names.delete(path)
    yield tarHeader(newEntry(name, 'file', entry.size))
    yield* entry.body()
    yield tarPadding(entry.size)
  }
  yield TAR_END
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
