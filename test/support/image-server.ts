import { createHash, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeSelfSigned } from '../../src/setup/self-signed.ts'

/** Another server of LXD's API, as far as images are copied from it. */
export interface ImageServer extends AsyncDisposable {
  readonly url: string
  /** PEM. */
  readonly certificate: string
  /** Has an image from now on, for who shows the secret; its fingerprint. */
  offer(tarball: Buffer, answer?: (response: ServerResponse) => void): string
  /** What a client says it wants to copy. */
  source(fingerprint: string): object
}

export const SECRET = 'the secret'

export async function startImageServer(): Promise<ImageServer> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const day = 86_400_000
  const dates = { begins: new Date(Date.now() - day), ends: new Date(Date.now() + day) }
  const certificate = makeSelfSigned({ key: privateKey, name: 'images', hosts: ['images'], addresses: [], ...dates })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const images = new Map<string, { tarball: Buffer; answer: ((response: ServerResponse) => void) | undefined }>()
  const server = createServer({ key, cert: certificate }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://images')
    const [, fingerprint = '', action = ''] = /^\/1\.0\/images\/([0-9a-f]{64})(\/export)?$/.exec(pathname) ?? []
    const image = images.get(fingerprint)
    if (image === undefined || searchParams.get('secret') !== SECRET) {
      response.writeHead(404).end(JSON.stringify({ type: 'error', error: 'Image not found' }))
    } else if (action === '') {
      const metadata = { fingerprint, filename: 'there.tar.gz', properties: { os: 'Elsewhere' } }
      response.end(JSON.stringify({ type: 'sync', metadata }))
    } else if (image.answer === undefined) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(image.tarball)
    } else {
      image.answer(response)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP server's address is no path
  const url = `https://127.0.0.1:${port}`
  return {
    url,
    certificate,
    offer: (tarball, answer) => {
      const fingerprint = createHash('sha256').update(tarball).digest('hex')
      images.set(fingerprint, { tarball, answer })
      return fingerprint
    },
    source: (fingerprint) => ({
      type: 'image',
      mode: 'pull',
      protocol: 'lxd',
      server: url,
      certificate,
      fingerprint,
      secret: SECRET,
    }),
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
