/** The key and the certificate of the HTTPS listener: made once, kept in the data directory, shared by its API processes. */
import { createPrivateKey, generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto'
import { chmod, link, readFile, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { SetupError } from './host.ts'
import { makeSelfSigned } from './self-signed.ts'

/** What the HTTPS listener shows, and the key to it. PEM. */
export interface ServerCertificate {
  key: string
  certificate: string
}

const YEARS = 10

/**
 * `server.key` (ECDSA P-384, mode 0600) and `server.crt` of the data directory, made where they are missing. Processes
 * that start at the same time end up with the same ones: the first key stays, and any certificate fits it.
 */
export async function ensureServerCertificate(dataDir: string): Promise<ServerCertificate> {
  const files = { key: join(dataDir, 'server.key'), certificate: join(dataDir, 'server.crt') }
  const key = await keepFirst(files.key, 0o600, makeKey)
  const certificate = await keepFirst(files.certificate, 0o644, () => makeCertificate(key, files.key))
  if (!belongTogether(key, certificate))
    throw new SetupError(`${files.certificate} is not of ${files.key}: put both there, or remove the certificate.`)
  return { key, certificate }
}

function belongTogether(key: string, certificate: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
  } catch {
    // One of them is no PEM.
    return false
  }
}

/** The file's text; where there is none it is made, whole or not at all, and whoever is first wins. */
async function keepFirst(file: string, mode: number, make: () => string): Promise<string> {
  const known = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
  if (known === undefined) {
    const draft = `${file}.${randomUUID()}`
    await writeFile(draft, make(), { mode, flag: 'wx' })
    await link(draft, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    await unlink(draft)
  }
  await chmod(file, mode)
  return known ?? readFile(file, 'utf8')
}

function makeKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** LXD's clients pin it, whatever the names in it are, but want a name among them. */
function makeCertificate(pem: string, file: string): string {
  const key = createPrivateKey(pem)
  if (key.asymmetricKeyDetails?.namedCurve !== 'secp384r1')
    throw new SetupError(`${file} is no ECDSA P-384 key: put its certificate beside it, as server.crt.`)
  const host = /^[A-Za-z0-9][-A-Za-z0-9.]{0,62}$/.test(hostname()) ? hostname() : 'windlass'
  const begins = new Date()
  const ends = new Date(begins)
  ends.setUTCFullYear(ends.getUTCFullYear() + YEARS)
  return makeSelfSigned({ key, name: `root@${host}`, hosts: [host], addresses: ['127.0.0.1'], begins, ends })
}
