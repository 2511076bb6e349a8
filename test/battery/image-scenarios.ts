/** The scenarios of images. */
import { gzipSync } from 'node:zlib'
import type { WorkerKind } from '../../src/operations/catalog.ts'
import { writeFileIn } from '../support/engine-objects.ts'
import { tinyImageTar } from '../support/tiny-image.ts'
import { ofRegistry, one, type Variant } from './scenario.ts'

const plain = { type: 'image', alias: 'busybox' }

export const IMAGE_SCENARIOS: { [K in Extract<WorkerKind, `image.${string}`>]: Variant[] } = {
  'image.import': [
    {
      name: 'uploaded',
      prepare: async (kit, tag) => {
        const tar = await uniqueTar()
        const headers = { 'x-lxd-properties': `tag=${tag}` }
        return { method: 'POST', path: '/1.0/images', body: tar, headers, entity: kit.sha256(tar) }
      },
    },
    {
      name: 'fetched',
      prepare: async ({ bed: { imageServer } }, tag) => {
        const fingerprint = imageServer.offer(await uniqueTar())
        const body = { source: imageServer.source(fingerprint), properties: { tag } }
        return { method: 'POST', path: '/1.0/images', body, entity: fingerprint }
      },
    },
  ],
  'image.pull': one(
    async ({ bed }, tag) => {
      const source = ofRegistry(bed)
      const body = { source, aliases: [{ name: tag }] }
      return { method: 'POST', path: '/1.0/images', body, entity: source.alias }
    },
    { alone: 'registry' },
  ),
  'image.publish': one(
    async (kit, tag) => {
      await kit.make(tag, plain, true)
      await writeFileIn(kit.engine, `${tag}.lxd`, '/root', { name: 'note', content: tag })
      const body = { source: { type: 'instance', name: tag }, aliases: [{ name: `${tag}i` }] }
      return { method: 'POST', path: '/1.0/images', body, entity: '' }
    },
    { alone: 'publish' },
  ),
  'image.pack': one(
    async (kit, tag) => {
      const pull = { source: ofRegistry(kit.bed), aliases: [{ name: tag }] }
      const { metadata } = await kit.operate('POST', '/1.0/images', pull)
      const fingerprint = String(metadata?.['fingerprint'])
      return { method: 'GET', path: `/1.0/images/${fingerprint}/export`, entity: fingerprint }
    },
    { alone: 'registry' },
  ),
  'image.push': one(async (kit, tag) => {
    const tar = await uniqueTar()
    await kit.operate('POST', '/1.0/images', tar, { 'x-lxd-properties': `tag=${tag}` })
    const fingerprint = kit.sha256(tar)
    const body = kit.bed.imageServer.target
    return { method: 'POST', path: `/1.0/images/${fingerprint}/export`, body, entity: fingerprint }
  }),
  'image.refresh': [
    {
      name: 'pulled',
      alone: 'registry',
      prepare: async (kit, tag) => {
        const source = { type: 'image', alias: `${kit.bed.registry}/tiny/moving:1` }
        const { metadata } = await kit.operate('POST', '/1.0/images', { source, aliases: [{ name: tag }] })
        const fingerprint = String(metadata?.['fingerprint'])
        return { method: 'POST', path: `/1.0/images/${fingerprint}/refresh`, entity: fingerprint }
      },
    },
    {
      name: 'fetched',
      prepare: async (kit, tag) => {
        const { imageServer } = kit.bed
        const fingerprint = imageServer.publish(tag, await uniqueTar())
        const body = { source: imageServer.publicSource(tag), aliases: [{ name: tag }] }
        await kit.operate('POST', '/1.0/images', body)
        imageServer.publish(tag, await uniqueTar())
        return { method: 'POST', path: `/1.0/images/${fingerprint}/refresh`, entity: fingerprint }
      },
    },
  ],
  'image.delete': one(async (kit, tag) => {
    const tar = await uniqueTar()
    await kit.operate('POST', '/1.0/images', tar, { 'x-lxd-properties': `tag=${tag}` })
    const fingerprint = kit.sha256(tar)
    return { method: 'DELETE', path: `/1.0/images/${fingerprint}`, entity: fingerprint }
  }),
}

let tars = 0

/** The tiny image, each time with another sha256: gzip's header has four bytes for a time. */
export async function uniqueTar(): Promise<Buffer> {
  const packed = gzipSync(await tinyImageTar(), { level: 1 })
  packed.writeUInt32LE(++tars, 4)
  return packed
}
