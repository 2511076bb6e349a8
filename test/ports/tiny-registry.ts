/**
 * A registry with `tiny/image:1`, and `tiny/moving:1`, which is another image after each pull, for user `u` and password `p`, or with `--open` for everyone, on the port
 * of the last argument or a free one: run as a program in the network namespace
 * of the engine under test. Says its port when it listens.
 */
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { makeTar } from './tar-samples.ts'

const isOpen = process.argv.includes('--open')
const DOCKER = 'application/vnd.docker'
const layer = await makeTar({ name: 'hello', body: 'world' })
const packed = gzipSync(layer)
const blobs = new Map([[digestOf(packed), packed]])
const manifests = new Map<string, Buffer>()
const still = addImage('registry')
/** The one that changes: what is to be pulled next, and its configuration, which whoever pulls it reads. */
let moving = addImage('moving 0')
let moved = 0

interface Added {
  manifest: Buffer
  config: string
}

function addImage(from: string): Added {
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['/hello'], Labels: { from } },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  )
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${DOCKER}.distribution.manifest.v2+json`,
      config: { mediaType: `${DOCKER}.container.image.v1+json`, size: config.length, digest: digestOf(config) },
      layers: [{ mediaType: `${DOCKER}.image.rootfs.diff.tar.gzip`, size: packed.length, digest: digestOf(packed) }],
    }),
  )
  blobs.set(digestOf(config), config)
  manifests.set(digestOf(manifest), manifest)
  return { manifest, config: digestOf(config) }
}

/** By tag or digest. */
function manifestOf(pathname: string, last: string): Buffer | undefined {
  if (pathname.startsWith('/v2/tiny/image/manifests/') && last === '1') return still.manifest
  if (pathname.startsWith('/v2/tiny/moving/manifests/') && last === '1') return moving.manifest
  return pathname.includes('/manifests/') ? manifests.get(last) : undefined
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://registry')
  const last = pathname.split('/').at(-1) ?? ''
  const manifest = manifestOf(pathname, last)
  if (!isOpen && request.headers.authorization !== `Basic ${Buffer.from('u:p').toString('base64')}`) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="tiny"' }).end()
  } else if (pathname === '/v2/') {
    response.end('{}')
  } else if (manifest !== undefined) {
    const type = `${DOCKER}.distribution.manifest.v2+json`
    response.writeHead(200, {
      'content-type': type,
      'docker-content-digest': digestOf(manifest),
      'content-length': manifest.length,
    })
    response.end(request.method === 'HEAD' ? undefined : manifest)
  } else if (blobs.has(last)) {
    // Pulled: the next one to ask for it gets another one.
    if (last === moving.config && request.method === 'GET') moving = addImage(`moving ${++moved}`)
    response.end(request.method === 'HEAD' ? undefined : blobs.get(last))
  } else {
    response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
  }
})
server.listen(Number(process.argv.at(-1)) || 0, '127.0.0.1', () => {
  // A TCP server's address is no path.
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
