/** From `name`, `template` or `clone`, `store` and `xargs` to an instance. */
import type { InstancesPost } from '../../contract/instance.ts'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { badRequest, isFailure, notFound } from '../../core/failure.ts'
import { foreignRefusal, isForeign } from '../../core/foreign.ts'
import { splitWords } from '../../core/words.ts'
import type { Caller } from '../../services/caller.ts'
import type { DialectKit } from '../dialect.ts'
import { createNamed } from '../naming.ts'
import { missingAs, taken } from './errors.ts'
import type { Creation } from './wire.ts'

export const DIALECT = 'lwp'

type Source = NonNullable<InstancesPost['source']>

const STORES = ['dir', 'lvm', 'loop', 'loopback', 'btrfs', 'zfs', 'rbd', 'nbd', 'overlay', 'overlayfs', 'aufs']
const WITHOUT_STORE = ['best', 'none', '']

/** Submits it. Bad-request for what cannot be meant, conflict for a name that is taken, not-found for a source. */
export async function createContainer(kit: DialectKit, caller: Caller, order: Creation): Promise<OperationRecord> {
  const { name } = order
  const store = order.store ?? ''
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name))
    throw badRequest('Invalid name: 1 to 64 letters, digits and "_.-", a letter or digit first')
  if (![...STORES, ...WITHOUT_STORE].includes(store)) throw badRequest(`Unknown backing store "${store}"`)
  const options = readOptions(order.xargs ?? '')
  const body = async () => ({
    source: await (order.template ? fromTemplate(kit, caller, order.template, options) : fromClone(kit, caller, order)),
  })
  return createNamed(kit, caller, { dialect: DIALECT, name }, { body, taken })
}

/** As `lxc-clone` without snapshots: the container alone. */
async function fromClone({ services }: DialectKit, caller: Caller, { clone }: Creation): Promise<Source> {
  const { where } = await missingAs('not-found', services.directory.find(caller, DIALECT, clone ?? ''))
  if (isForeign(where)) throw foreignRefusal(where.name)
  return { type: 'copy', source: where.name, instance_only: true }
}

/** An image of that name, or what the settings have for the template, with the release that the options ask for. */
async function fromTemplate(kit: DialectKit, caller: Caller, template: string, options: Options): Promise<Source> {
  const { imageNames } = kit.services
  const release = options.release
  const os = template === 'download' ? options.dist : template
  if (os === undefined) throw badRequest('The template "download" needs a distribution: -d')
  if (release !== undefined) return imageNames.byRelease(caller, os, release)
  for (const name of meanings(os, kit.settings.lwp.templates)) {
    try {
      return await imageNames.byName(caller, name)
    } catch (thrown) {
      if (!isFailure(thrown, 'not-found', 'bad-request')) throw thrown
    }
  }
  throw notFound(`No image for the template "${template}"; make an alias of that name, or see WINDLASS_LWP_TEMPLATES`)
}

/** The template itself, then what the table has for it, and for that. */
function meanings(template: string, table: ReadonlyMap<string, string>): Set<string> {
  const names = new Set<string>()
  for (let name: string | undefined = template; name !== undefined && !names.has(name); name = table.get(name))
    names.add(name)
  return names
}

interface Options {
  dist: string | undefined
  release: string | undefined
}

const LONGEST = 4096

/** Options as a shell would split them; none of them ever reaches a shell. */
function readOptions(xargs: string): Options {
  const words = splitWords(xargs)
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (words === undefined || xargs.length > LONGEST || /[\u0000-\u001f\u007f]/.test(xargs))
    throw badRequest('Invalid xargs: words with whole quotes and without control characters, 4096 characters at most')
  const release = valueOf(words, '-r', '--release')
  const dist = valueOf(words, '-d', '--dist')
  for (const value of [release, dist])
    if (value !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(value))
      throw badRequest(`Invalid xargs: "${value}" is no name of a distribution or release`)
  return { dist, release }
}

function valueOf(words: string[], short: string, long: string): string | undefined {
  for (const [at, word] of words.entries()) {
    if (word === short || word === long) return words[at + 1] ?? ''
    if (word.startsWith(`${long}=`)) return word.slice(long.length + 1)
    if (word.startsWith(short) && !word.startsWith('--')) return word.slice(short.length)
  }
  return undefined
}
