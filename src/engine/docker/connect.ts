/** One Docker Engine as the engine port. The only room that knows dockerode. */
import type { Engine } from '../../core/engine.ts'
import { createContainers } from './containers.ts'
import { createImages } from './images.ts'
import { ping, readInfo, rememberInfo } from './info.ts'
import { createNetworks } from './networks.ts'
import { createVolumes } from './volumes.ts'
import { createWire, type WireOptions } from './wire.ts'

/** Milliseconds for which the engine's own properties are taken as known. */
const INFO_FOR = 60_000

/**
 * Joins the engine at `dockerHost`; nothing is sent before the first call, which negotiates the API version
 * (unsupported below 1.41).
 */
export function createDockerEngine(options: WireOptions): Engine {
  const wire = createWire(options)
  const images = createImages(wire)
  return {
    member: wire.member,
    info: (signal) => readInfo(wire, signal),
    ping: (signal) => ping(wire, signal),
    containers: createContainers(wire, rememberInfo(wire, INFO_FOR)),
    images,
    volumes: createVolumes(wire, images.empty),
    networks: createNetworks(wire),
    close: async () => wire.close(),
  }
}
