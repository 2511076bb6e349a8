import { join } from 'node:path'
import { type Environment, findProgram, type Terminal } from './host.ts'
import { findStaticBusybox } from './starter-image.ts'

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
  if (found !== undefined || env['WINDLASS_SETUP'] === 'off') return found
  const needed = await Promise.all(['apt-get', 'dpkg-deb', 'sh'].map((name) => findProgram(name, env)))
  if (needed.includes(undefined)) return undefined
  terminal.say(`Unpacking Debian's busybox-static into ${cache} for the starter image …`)
  await terminal.run(['sh', '-c', unpackScript, 'sh', cache]).catch((error: unknown) => terminal.say(String(error)))
  return findStaticBusybox(busyboxPlaces(cache))
}

const unpackScript =
  'mkdir -p "$1" && cd "$1" && apt-get -q download busybox-static && dpkg-deb -x busybox-static_*.deb busybox-static'
