import { join } from 'node:path'
import type { Environment, Terminal } from './host.ts'
import { findStaticBusybox } from './starter-image.ts'
import { unpackPackage } from './unpack.ts'

/** Where a static busybox may lie; `cache` is the folder `fetchBusybox` unpacks into. */
export function busyboxPlaces(cache: string): string[] {
  const unpacked = join(cache, 'busybox-static')
  return ['/bin/busybox', '/usr/bin/busybox', join(unpacked, 'bin/busybox'), join(unpacked, 'usr/bin/busybox')]
}

/**
 * A static busybox: the machine's, or Debian's package unpacked into `cache`, since installing it would replace the
 * dynamic one that many systems boot with. Undefined where there is no way: the starter image is a convenience.
 */
export async function ensureBusybox(cache: string, env: Environment, terminal: Terminal): Promise<string | undefined> {
  const found = await findStaticBusybox(busyboxPlaces(cache))
  if (found !== undefined) return found
  await unpackPackage('busybox-static', 'the starter image', { cache, env, terminal })
  return findStaticBusybox(busyboxPlaces(cache))
}
