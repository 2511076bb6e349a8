/** Where a client says that an image is to come from: a container registry, or another server of LXD's API. */
import type { Config } from '../contract/common.ts'
import { badRequest } from '../core/failure.ts'
import { checkReach, EVERYWHERE, parseServerUrl, type Reach } from '../core/outbound.ts'
import { standInOf } from '../core/simplestreams.ts'
import type { ImageFetch } from '../operations/inputs.ts'
import { isServerAdmin, type Caller } from './caller.ts'

/** What a client says of an image it wants. */
export interface ImageChoice {
  alias?: string | null | undefined
  fingerprint?: string | null | undefined
  properties?: Config | null | undefined
  server?: string | null | undefined
  protocol?: string | null | undefined
  certificate?: string | null | undefined
  secret?: string | null | undefined
  /** On the other server. */
  project?: string | null | undefined
}

export interface ImageSourcesDeps {
  /** Whose images stand for those of simplestreams servers; undefined: nobody's. */
  registry: string | undefined
  /** Networks in which operators may name other servers. */
  reach: Reach
  /** Bytes that an image may have. */
  limit: number
}

export type ImageSources = ReturnType<typeof createImageSources>

export function createImageSources({ registry, reach, limit }: ImageSourcesDeps) {
  /** Where a caller may have this server connect to. */
  const reachOf = (caller: Caller): Reach => (isServerAdmin(caller) ? EVERYWHERE : reach)

  /** Another server, over HTTPS and as far as the caller may reach. Throws bad-request and forbidden. */
  function serverOf(caller: Caller, server: string | null | undefined, certificate: string | null | undefined) {
    const url = parseServerUrl(server)
    checkReach(url, reachOf(caller))
    return { url: url.origin, certificate: certificate ?? '', reach: reachOf(caller) }
  }

  /** An image of another server; one that is not public by its fingerprint only. */
  function fetchOf(caller: Caller, choice: ImageChoice): ImageFetch {
    const image = choice.fingerprint || choice.alias
    if (!image) throw badRequest('Must specify one of alias or fingerprint for init from image')
    if (choice.secret && !/^[0-9a-f]{64}$/.test(image))
      throw badRequest('An image of another server that is not public must be named by its whole fingerprint')
    const project = choice.project || 'default'
    return { origin: { ...serverOf(caller, choice.server, choice.certificate), image, project }, limit }
  }

  /** LXD's `server`, `protocol` and `alias` as one reference of a registry. */
  function referenceTo({ server, protocol, alias }: ImageChoice): string {
    if (!alias) throw badRequest('An alias such as alpine:3.20 must say which image to pull')
    if (protocol === 'simplestreams') return standInOf(server ?? '', alias, registry)
    if (!['', 'oci', 'docker'].includes(protocol ?? ''))
      throw badRequest(
        `Images cannot be copied by the protocol "${protocol}"; pull from a container registry (protocol "oci"), or export and import them`,
      )
    if (!server) return alias
    const host = URL.canParse(server) ? new URL(server).host : server
    return DOCKER_HUB.has(host) ? alias : `${host}/${alias}`
  }

  return { fetchOf, referenceTo, serverOf }
}

const DOCKER_HUB = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io', 'hub.docker.com'])
