/** Images of simplestreams servers, which hold no containers of Docker's: a registry's of the same name stand for them. */
import { lxdArchitecture } from './architecture.ts'
import { badRequest } from './failure.ts'
import { parseRegistryReference } from './registry-reference.ts'

/** Servers that have images of one distribution only. */
const OF_ONE: Readonly<Record<string, string>> = { 'cloud-images.ubuntu.com': 'ubuntu' }
const ARCHITECTURES = new Set(['amd64', 'arm64', 'armhf', 'i386', 'ppc64el', 'riscv64', 's390x'])

/**
 * `22.04` of Ubuntu's server → `<registry>/ubuntu:22.04`, `alpine/3.20` of another → `<registry>/alpine:3.20`.
 * Bad-request without a registry, and for variants such as `debian/12/cloud`, which no registry has.
 */
export function standInOf(server: string, alias: string, registry: string | undefined): string {
  const host = URL.canParse(server) ? new URL(server).hostname : server
  const only = OF_ONE[host]
  const [name = '', release = 'latest', ...rest] = only === undefined ? alias.split('/') : [only, ...alias.split('/')]
  const wanted = `${name}:${release}`
  if (registry === undefined)
    throw badRequest(
      `Images of ${host} do not run on Docker Engine. Set WINDLASS_REGISTRY (such as docker.io/library) to have its ` +
        `image ${wanted} in their place, or pull that one under an alias: ` +
        `lxc query -X POST -d '{"source": {"type": "image", "alias": "${wanted}"}, "aliases": [{"name": "${name}"}]}' /1.0/images`,
    )
  const more = rest.filter((word) => !ARCHITECTURES.has(word) && lxdArchitecture(word) === word && word !== 'default')
  if (more.length > 0) throw badRequest(`No registry has the variant "${more.join('/')}" of ${wanted}`)
  const reference = parseRegistryReference(`${registry}/${wanted}`)
  if (reference === undefined) throw badRequest(`"${alias}" is no name of an image`)
  return reference
}
