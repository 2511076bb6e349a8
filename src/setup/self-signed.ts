/**
 * A self-signed X.509 certificate of a server, in the few DER forms it needs (RFC 5280): a library for it would be some
 * twenty packages for one call in the life of a deployment.
 */
import { createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'

export interface SelfSigned {
  /** ECDSA P-384. */
  key: KeyObject
  /** Its common name. */
  name: string
  /** DNS names it is good for. */
  hosts: string[]
  /** IPv4 addresses it is good for. */
  addresses: string[]
  begins: Date
  ends: Date
}

/** PEM. */
export function makeSelfSigned({ key, name, hosts, addresses, begins, ends }: SelfSigned): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha384))
  const subject = sequence(attribute(OID.organization, 'Windlass'), attribute(OID.commonName, name))
  // Positive, and never two the same.
  const serial = Buffer.concat([Buffer.from([0x01]), randomBytes(15)])
  const content = sequence(
    // Version 3.
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, serial),
    algorithm,
    subject,
    sequence(time(begins), time(ends)),
    subject,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions(hosts, addresses))),
  )
  const signature = sign('sha384', content, key)
  const text = sequence(content, algorithm, bits(signature)).toString('base64')
  return `-----BEGIN CERTIFICATE-----\n${text.replaceAll(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`
}

const OID = {
  ecdsaWithSha384: [1, 2, 840, 10_045, 4, 3, 3],
  organization: [2, 5, 4, 10],
  commonName: [2, 5, 4, 3],
  keyUsage: [2, 5, 29, 15],
  subjectAltName: [2, 5, 29, 17],
  basicConstraints: [2, 5, 29, 19],
  extKeyUsage: [2, 5, 29, 37],
  serverAuth: [1, 3, 6, 1, 5, 5, 7, 3, 1],
}

function extensions(hosts: string[], addresses: string[]): Buffer[] {
  const names = [
    ...hosts.map((host) => tagged(0x82, Buffer.from(host))),
    ...addresses.map((address) => tagged(0x87, Buffer.from(address.split('.').map(Number)))),
  ]
  return [
    // Of no other certificates; digital signatures only; a server.
    extension(OID.basicConstraints, true, sequence()),
    extension(OID.keyUsage, true, tagged(0x03, Buffer.from([7, 0x80]))),
    extension(OID.extKeyUsage, false, sequence(oid(OID.serverAuth))),
    extension(OID.subjectAltName, false, sequence(...names)),
  ]
}

function extension(id: number[], isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [tagged(0x01, Buffer.from([0xff]))] : []
  return sequence(oid(id), ...critical, tagged(0x04, value))
}

function attribute(id: number[], value: string): Buffer {
  return tagged(0x31, sequence(oid(id), tagged(0x0c, Buffer.from(value))))
}

/** Years below 2050 have two digits, by the standard. */
function time(at: Date): Buffer {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return at.getUTCFullYear() < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits))
}

function bits(content: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), content]))
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const short = [length]
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...(length < 0x80 ? short : long)]), content])
}

function oid([first = 0, second = 0, ...rest]: number[]): Buffer {
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** The highest seven bits first; all bytes but the last have the eighth bit. */
function base128(number: number): number[] {
  const bytes = [number & 0x7f]
  for (let left = number >> 7; left > 0; left >>= 7) bytes.unshift(0x80 | (left & 0x7f))
  return bytes
}
