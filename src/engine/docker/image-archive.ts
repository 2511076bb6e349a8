/** What `docker save` writes, made harmless: an archive that names its images would take those names from others. */
import type { Readable } from 'node:stream'
import { badRequest } from '../../core/failure.ts'
import { fields, list } from './read.ts'
import { type Decision, rewriteTar, type TarEntry } from './tar-rewrite.ts'

const NAMES = ['io.containerd.image.name', 'org.opencontainers.image.ref.name', 'containerd.io/distribution.source']

/** The archive without names; bad-request while it streams where it holds more images than one. */
export function withoutNames(archive: Readable): Readable {
  return rewriteTar(archive, decide)
}

function decide({ name }: TarEntry): Decision {
  switch (name.replace(/^\.\//, '')) {
    case 'manifest.json':
      return { body: withoutTags }
    case 'index.json':
      return { body: withoutAnnotations }
    case 'repositories':
      return 'drop'
    default:
      return 'keep'
  }
}

function withoutTags(body: Buffer): Buffer {
  const images = list(parse(body))
  if (images.length !== 1) throw badRequest(`The archive holds ${images.length} images; exactly one is wanted`)
  return Buffer.from(JSON.stringify(images.map((image) => ({ ...fields(image), RepoTags: [] }))))
}

function withoutAnnotations(body: Buffer): Buffer {
  const index = fields(parse(body))
  const manifests = list(index.manifests).map((manifest) => {
    const annotations = Object.entries(fields(fields(manifest).annotations)).filter(([key]) => !NAMES.includes(key))
    return { ...fields(manifest), annotations: Object.fromEntries(annotations) }
  })
  return Buffer.from(JSON.stringify({ ...index, manifests }))
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch (error) {
    throw badRequest('The archive holds a broken list of its images', { cause: error })
  }
}
