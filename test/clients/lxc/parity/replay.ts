import { clientFingerprint, type Bed, type Outcome, type RunOptions } from './bed.ts'
import { BETWEEN, FRESH, TYPED } from './between.ts'
import type { Recording } from './recordings.ts'

/** Runs the recorded commands in their order, each in the state in which it was recorded. */
export async function* replay(bed: Bed, recordings: readonly Recording[]): AsyncGenerator<[Recording, Outcome]> {
  for (const recording of recordings) {
    const number = recording.id.slice(0, 3)
    if (FRESH.has(number)) await clear(bed)
    await settle(bed, number)
    for (const line of BETWEEN[number] ?? []) await between(bed, line)
    await prepare(bed, number)
    const outcome = await bed.run(
      recording.words.map((word) => here(bed, word)),
      options(bed, recording),
    )
    await learn(bed, recording, outcome)
    yield [recording, outcome]
  }
}

/** What the recording names, by its name here. */
function here(bed: Bed, word: string): string {
  if (word.startsWith('eyJ')) return bed.places.get('TOKEN') ?? ''
  let named = word
  for (const [recorded, own] of [...bed.names, ...bed.places]) named = named.replaceAll(recorded, own)
  return named
}

function options(bed: Bed, { id, stdin, tty, env = {} }: Recording): RunOptions {
  const number = id.slice(0, 3)
  return {
    stdin: number === '104' ? 'z'.repeat(300_000) : stdin,
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, here(bed, value)])),
    typed: tty === true ? (TYPED[number] ?? []) : undefined,
    meanwhile: MEANWHILE[number]?.(bed),
  }
}

async function between(bed: Bed, line: string): Promise<Outcome> {
  const words = line.split(' ').map((word) => here(bed, word))
  return bed.run(['lxc', ...words])
}

/** Takes everything away but the image. */
async function clear(bed: Bed): Promise<void> {
  const list = async (...words: string[]) => {
    const { out } = await bed.run(['lxc', ...words, '--format', 'csv'])
    return out.split('\n').flatMap((row) => row.split(',')[0] || [])
  }
  await bed.run(['lxc', 'remote', 'switch', 'local'])
  const instances = await list('list', '-c', 'n')
  for (const name of instances) await bed.run(['lxc', 'config', 'unset', name, 'security.protection.delete'])
  for (const name of instances) await bed.run(['lxc', 'delete', '-f', name])
  const images = await list('image', 'list', '-c', 'F')
  for (const name of images) if (name !== bed.image) await bed.run(['lxc', 'image', 'delete', name])
  for (const name of await list('storage', 'volume', 'list', 'default', 'type=custom', '-c', 'n'))
    await bed.run(['lxc', 'storage', 'volume', 'delete', 'default', name])
}

/** Waits for what the command before has begun. */
async function settle(bed: Bed, number: string): Promise<void> {
  const shows = async (path: string, what: RegExp) => what.test((await bed.windlass.call('GET', path)).text)
  if (number === '124') await until(() => shows('/1.0/instances/c1', /"Stopped"/))
  if (number === '425') await until(async () => !(await shows('/1.0/operations', /"(?:pending|running)"/)))
}

/** What cannot be written down as a command: operations that must be running, names that only this server knows. */
async function prepare(bed: Bed, number: string): Promise<void> {
  if (number === '311') {
    void bed.run(['lxc', 'exec', 'c1', '--', 'sleep', '7'])
    bed.names.set('214c6d16-6a64-4c75-be1e-628b8fb3060e', await operation(bed, 'Executing command'))
  }
  if (number === '846')
    bed.names.set('a2c1a56e-7d1e-41a0-8b91-61c5aed251f6', await operation(bed, 'Executing operation'))
  if (number === '517' || number === '525' || number === '533') {
    const own = await clientFingerprint(bed.directory)
    bed.names.set('8fce369def57', own.slice(0, 12))
    bed.places.set('CLIENT', own.slice(0, 12))
  }
  if (number === '526') {
    const { out } = await bed.run(['lxc', 'config', 'trust', 'list-tokens', '--format', 'csv'])
    bed.places.set('TOKEN', /eyJ[^,"\s|]*/.exec(out)?.[0] ?? '')
  }
}

async function learn(bed: Bed, { id }: Recording, { out }: Outcome): Promise<void> {
  if (id.startsWith('009')) bed.names.set('super-marmoset', /name is: (\S+)/.exec(out)?.[1] ?? '')
}

/** The id of the running operation of this description, as soon as there is one. */
async function operation(bed: Bed, description: string): Promise<string> {
  for (;;) {
    const { out } = await bed.run(['lxc', 'operation', 'list', '--format', 'csv'])
    const row = out.split('\n').find((line) => line.includes(`,${description},RUNNING,`))
    if (row !== undefined) return row.slice(0, 36)
  }
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50))
}

const processRuns = (bed: Bed, name: string) => async () =>
  (await bed.run(['lxc', 'exec', 'c1', '--', 'ps', '-o', 'args'])).out.split('\n').includes(name)

type Meanwhile = (bed: Bed) => NonNullable<RunOptions['meanwhile']>

const interrupt =
  (process: string): Meanwhile =>
  (bed) =>
  async () => {
    await until(processRuns(bed, process))
    return 'SIGINT'
  }

const watchLife: Meanwhile = (bed) => async (printed) => {
  const lxc = (...words: string[]) => bed.run(['lxc', ...words])
  // What happened before its socket was open a monitor is not told.
  await until(async () => {
    await lxc('query', '-X', 'PATCH', '-d', '{}', '/1.0/profiles/default')
    return printed() !== ''
  })
  await lxc('launch', 'tiny', 'cm')
  await lxc('exec', 'cm', '--', 'true')
  await lxc('delete', '-f', 'cm')
  await until(() => printed().includes('instance-deleted'))
  return 'SIGKILL'
}

const MEANWHILE: Readonly<Record<string, Meanwhile>> = {
  '118': interrupt('sleep 60'),
  '804': interrupt('sleep 3'),
  '319': watchLife,
}
