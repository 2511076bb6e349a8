/**
 * A registry with one image, `tiny/image:1`, for user `u` and password `p`, or with `--open` for everyone, on the port
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
const config = Buffer.from(
  JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/hello'], Labels: { from: 'registry' } },
    rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  }),
)
const packed = gzipSync(layer)
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: `${DOCKER}.distribution.manifest.v2+json`,
    config: { mediaType: `${DOCKER}.container.image.v1+json`, size: config.length, digest: digestOf(config) },
    layers: [{ mediaType: `${DOCKER}.image.rootfs.diff.tar.gzip`, size: packed.length, digest: digestOf(packed) }],
  }),
)
const blobs = new Map([config, packed].map((blob) => [digestOf(blob), blob]))

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://registry')
  const last = pathname.split('/').at(-1) ?? ''
  if (!isOpen && request.headers.authorization !== `Basic ${Buffer.from('u:p').toString('base64')}`) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="tiny"' }).end()
  } else if (pathname === '/v2/') {
    response.end('{}')
  } else if (pathname.startsWith('/v2/tiny/image/manifests/') && ['1', digestOf(manifest)].includes(last)) {
    const type = `${DOCKER}.distribution.manifest.v2+json`
    response.writeHead(200, {
      'content-type': type,
      'docker-content-digest': digestOf(manifest),
      'content-length': manifest.length,
    })
    response.end(request.method === 'HEAD' ? undefined : manifest)
  } else if (blobs.has(last)) {
    response.end(request.method === 'HEAD' ? undefined : blobs.get(last))
  } else {
    response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
  }
})
server.listen(Number(process.argv.at(-1)) || 0, '127.0.0.1', () => {
  // A TCP server's address is no path.
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
