import { type Environment, findProgram, type Terminal } from './host.ts'

/**
 * Unpacks one of Debian's packages into a folder of its name in `cache`; nothing is installed. Whether it is there then
 * is for the caller to look: where there is no way, or WINDLASS_SETUP=off, nothing happens but a line that says why.
 */
export async function unpackPackage(
  name: string,
  why: string,
  { cache, env, terminal }: { cache: string; env: Environment; terminal: Terminal },
): Promise<void> {
  if (env['WINDLASS_SETUP'] === 'off') return
  const needed = await Promise.all(['apt-get', 'dpkg-deb', 'sh'].map((program) => findProgram(program, env)))
  if (needed.includes(undefined)) return
  terminal.say(`Unpacking Debian's ${name} into ${cache} for ${why} …`)
  await terminal.run(['sh', '-c', script, 'sh', cache, name]).catch((error: unknown) => terminal.say(String(error)))
}

// The lists may be missing, as in a fresh image of a container.
const script = [
  'mkdir -p "$1" && cd "$1"',
  '{ apt-get -q download "$2" || { apt-get -q update && apt-get -q download "$2"; }; }',
  'dpkg-deb -x "$2"_*.deb "$2"',
].join(' && ')
