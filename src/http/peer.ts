import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** The certificate that a client has shown, with proof that it holds the key. */
export interface PeerCertificate {
  /** DER. */
  der: Buffer
  /** SHA-256 of it, in hexadecimal digits. */
  fingerprint: string
}

/** What is known of the other side of a TLS connection. */
export interface Peer {
  certificate: PeerCertificate | undefined
}

const peers = new WeakMap<Socket, Peer>()

/** Reads the client's certificate, once per connection, when the handshake is through. */
export function rememberPeer(socket: TLSSocket): void {
  const der = socket.getPeerX509Certificate()?.raw
  const certificate = der && { der, fingerprint: createHash('sha256').update(der).digest('hex') }
  peers.set(socket, { certificate })
}

/** undefined: this is no TLS connection, or none whose handshake is through. */
export function peerOf(socket: Socket): Peer | undefined {
  return peers.get(socket)
}
