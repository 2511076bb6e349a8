/** One Docker Engine as the engine port. The only room that knows dockerode. */
import type { Engine } from '../../core/engine.ts'
import { createContainerFiles } from './container-files.ts'
import { createContainers } from './containers.ts'
import { watch } from './events.ts'
import type { Tools } from './exec-kill.ts'
import { createExecs } from './exec.ts'
import { createFiles } from './files.ts'
import { createHostDevices } from './host-devices.ts'
import { createImages } from './images.ts'
import { ping, rememberInfo } from './info.ts'
import { attachConsole } from './console.ts'
import { readLogEnd, readLogs } from './logs.ts'
import { createNetworks } from './networks.ts'
import { createSpool } from './spool.ts'
import { readStart } from './start-time.ts'
import { readStats } from './stats.ts'
import { createBackups, createTarballs } from './tarballs.ts'
import { createVolumeBackups } from './volume-backups.ts'
import { createVolumes } from './volumes.ts'
import { createWire, type WireOptions } from './engine-wire.ts'

export interface DockerEngineOptions extends WireOptions {
  /** What execs in containers without a shell are ended with; without it that is unsupported. */
  tools?: Tools | undefined
}

/** Milliseconds for which the engine's own properties are taken as known. */
const INFO_FOR = 60_000

/**
 * Joins the engine at `dockerHost`; nothing is sent before the first call, which negotiates the API version
 * (unsupported below 1.41).
 */
export function createDockerEngine(options: DockerEngineOptions): Engine {
  const wire = createWire(options)
  const images = createImages(wire)
  const volumes = createVolumes(wire, images.empty)
  const spool = createSpool(volumes)
  const execs = createExecs(wire, options.tools)
  const info = rememberInfo(wire, INFO_FOR)
  const devices = createHostDevices(wire, images.empty, info)
  return {
    member: wire.member,
    info,
    startedAt: (signal) => readStart(wire, signal),
    ping: (signal) => ping(wire, signal),
    gpus: (signal) => devices.gpus(signal),
    containers: {
      ...createContainers(wire, info, devices),
      ...createFiles(wire),
      stats: (id, signal) => readStats(wire, id, signal),
      logs: (id, part, signal) => readLogs(wire, id, part, signal),
      logEnd: (id, signal) => readLogEnd(wire, id, signal),
      attach: (id, signal) => attachConsole(wire, id, signal),
    },
    images: { ...images, ...createTarballs(wire, images, spool) },
    volumes: { ...volumes, ...spool },
    backups: createBackups(wire, images, { ...volumes, ...spool }),
    volumeBackups: createVolumeBackups({ ...volumes, ...spool }),
    networks: createNetworks(wire),
    files: createContainerFiles(wire, execs),
    execs,
    watch: (handlers, signal) => watch(wire, handlers, signal),
    close: async () => wire.close(),
  }
}
