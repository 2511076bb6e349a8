import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { busyboxPlaces } from './busybox.ts'
import { SetupError } from './host.ts'
import { findStaticBusybox, makeBusyboxTar } from './starter-image.ts'

/** PEM texts of a client of an engine with TLS. */
export interface ClientCertificate {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** What lies in a DOCKER_CERT_PATH, under the names that Docker's own client wants. SetupError names what is missing. */
export async function readClientCertificate(folder: string): Promise<ClientCertificate> {
  const [ca, cert, key] = await Promise.all([read('ca.pem'), read('cert.pem'), read('key.pem')])
  return { ca, cert, key }

  function read(name: string): Promise<string> {
    return readFile(join(folder, name), 'utf8').catch((error: unknown) => {
      throw new SetupError(
        `DOCKER_TLS_VERIFY needs ${join(folder, name)}, which cannot be read: set DOCKER_CERT_PATH to its folder`,
        { cause: error },
      )
    })
  }
}

/**
 * A root file system around a static busybox, as plain tar, with which processes are ended in containers that have no
 * shell; undefined where no busybox is.
 */
export async function findTools(cache: string): Promise<(() => Promise<Readable>) | undefined> {
  const busybox = await findStaticBusybox(busyboxPlaces(cache))
  if (busybox === undefined) return undefined
  return async () => Readable.from([await makeBusyboxTar(busybox)], { objectMode: false })
}
