import { createHash, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { makeSelfSigned } from '../../src/setup/self-signed.ts'

/** Another server of LXD's API, as far as images are copied from it and pushed to it. */
export interface ImageServer extends AsyncDisposable {
  readonly url: string
  /** PEM. */
  readonly certificate: string
  /** Has an image from now on, for who shows the secret; its fingerprint. */
  offer(tarball: Buffer, answer?: (response: ServerResponse) => void): string
  /** Has it for everybody, by this alias, which has led elsewhere before; its fingerprint. */
  publish(alias: string, tarball: Buffer): string
  /** What a client says it wants to copy; a public image by its alias. */
  source(fingerprint: string): object
  publicSource(alias: string): object
  /** What a client says where an image is to be sent. */
  readonly target: object
  /** The fingerprints of what was sent, as often as it was. */
  readonly received: readonly string[]
}

interface Offered {
  tarball: Buffer
  answer: ((response: ServerResponse) => void) | undefined
  isPublic: boolean
  properties: Record<string, string>
}

export const SECRET = 'the secret'

export async function startImageServer(): Promise<ImageServer> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const day = 86_400_000
  const dates = { begins: new Date(Date.now() - day), ends: new Date(Date.now() + day) }
  const certificate = makeSelfSigned({ key: privateKey, name: 'images', hosts: ['images'], addresses: [], ...dates })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  const images = new Map<string, Offered>()
  const aliases = new Map<string, string>()
  const received: string[] = []
  const server = createServer({ key, cert: certificate }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://images')
    if (pathname === '/silent') return
    const target = aliases.get(pathname.replace('/1.0/images/aliases/', ''))
    if (request.method === 'POST') take(request, response, received)
    else if (pathname.startsWith('/1.0/operations/')) tell(response, 200, { id: 'arriving', status_code: 200, err: '' })
    else if (target !== undefined) tell(response, 200, { target })
    else give(response, { pathname, images, secret: searchParams.get('secret') })
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
      images.set(fingerprint, { tarball, answer, isPublic: false, properties: { os: 'Elsewhere' } })
      return fingerprint
    },
    publish: (alias, tarball) => {
      const fingerprint = createHash('sha256').update(tarball).digest('hex')
      images.set(fingerprint, { tarball, answer: undefined, isPublic: true, properties: { os: 'Elsewhere', alias } })
      aliases.set(alias, fingerprint)
      return fingerprint
    },
    publicSource: (alias) => ({ type: 'image', mode: 'pull', protocol: 'lxd', server: url, certificate, alias }),
    target: { target: url, certificate, secret: SECRET },
    received,
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

function tell(response: ServerResponse, status: number, metadata: object): void {
  response.writeHead(status).end(JSON.stringify({ type: 'sync', metadata }))
}

function refuse(response: ServerResponse, status: number, error: string): void {
  response.writeHead(status).end(JSON.stringify({ type: 'error', error }))
}

/** An image that is sent here: whoever knows the secret may. */
function take(request: IncomingMessage, response: ServerResponse, received: string[]): void {
  if (request.headers['x-lxd-secret'] !== SECRET) return refuse(response, 403, 'not authorized')
  const hash = createHash('sha256')
  request.on('data', (chunk: Buffer) => void hash.update(chunk))
  request.once('end', () => {
    received.push(hash.digest('hex'))
    tell(response, 202, { id: 'arriving', status_code: 103, metadata: { secret: SECRET } })
  })
}

/** An image's record, or its file. */
function give(
  response: ServerResponse,
  { pathname, images, secret }: { pathname: string; images: Map<string, Offered>; secret: string | null },
): void {
  const [, fingerprint = '', action = ''] = /^\/1\.0\/images\/([0-9a-f]{64})(\/export)?$/.exec(pathname) ?? []
  const image = images.get(fingerprint)
  if (image === undefined || (!image.isPublic && secret !== SECRET)) return refuse(response, 404, 'Image not found')
  if (action === '') return tell(response, 200, { fingerprint, filename: 'there.tar.gz', properties: image.properties })
  if (image.answer !== undefined) return image.answer(response)
  response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(image.tarball)
}
