import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { makeSelfSigned } from '../../src/setup/self-signed.ts'

/** A client's key and certificate, as LXD's client makes its own. PEM. */
export interface Identity {
  key: string
  certificate: string
  fingerprint: string
}

export interface IdentityOptions {
  begins?: Date
  ends?: Date
}

const YEAR = 365 * 24 * 3_600_000

export function makeIdentity(name: string, options: IdentityOptions = {}): Identity {
  const { begins = new Date(Date.now() - 3_600_000), ends = new Date(Date.now() + YEAR) } = options
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const certificate = makeSelfSigned({ key, name, hosts: [name], addresses: [], begins, ends })
  const fingerprint = createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex')
  return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), certificate, fingerprint }
}

export interface SecureAsk {
  method?: string
  path: string
  body?: unknown
  token?: string
  headers?: Record<string, string>
  identity?: Identity
}

export interface SecureAnswer {
  status: number
  body: unknown
  /** SHA-256 of the server's certificate. */
  server: string
  protocol: string
}

/** One request on a TLS connection of its own; the server's certificate is taken as it is. */
export function askSecurely(url: string, ask: SecureAsk): Promise<SecureAnswer> {
  const { method = 'GET', path, body, token, headers, identity } = ask
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, url), {
      method,
      agent: false,
      rejectUnauthorized: false,
      ...(identity && { key: identity.key, cert: identity.certificate }),
      headers: {
        ...headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
    })
    sent.on('error', reject)
    sent.on('response', (answer) => {
      const socket = answer.socket as TLSSocket // of an https request
      const server = createHash('sha256').update(socket.getPeerCertificate().raw).digest('hex')
      const protocol = socket.getProtocol() ?? ''
      buffer(answer).then(
        (read) => resolve({ status: answer.statusCode ?? 0, body: JSON.parse(read.toString()), server, protocol }),
        reject,
      )
    })
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
