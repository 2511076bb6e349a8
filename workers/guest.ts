/** Writes what an instance is to find inside before it starts. */
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import type { InstanceRecord } from '../src/contract/records.ts'
import { expandConfig } from '../src/core/expand.ts'
import { guestFiles, triggersOf, type GuestFile } from '../src/core/guest.ts'
import type { Kind } from '../src/operations/catalog.ts'
import { loadProfiles } from './containers.ts'
import type { Context } from './steps.ts'

/** Where D-Bus keeps the machine's id where it is no link: systemd would take it over. */
const DBUS_ID = '/var/lib/dbus/machine-id'

/** Files of templates, the seed of cloud-init, an empty machine-id. Doing it twice comes to the same. */
export async function prepareGuest(context: Context<Kind>, instance: InstanceRecord, container: string): Promise<void> {
  const triggers = triggersOf(instance)
  if (triggers.length === 0) return
  // An earlier attempt has started it: what lies inside is the instance's own now.
  const detail = await context.engine.containers.inspect(container, context.signal)
  if (detail?.status === 'running' || detail?.status === 'paused') return
  const config = expandConfig(await loadProfiles(context, instance), instance.config)
  const { files, warnings } = guestFiles(instance, config, triggers)
  for (const sentence of warnings) context.warn(sentence)
  for (const file of files) await putFile(context, container, file)
  if (files.some(({ path }) => path === '/etc/machine-id')) await linkDbus(context, container)
}

async function putFile(context: Context<Kind>, container: string, file: GuestFile): Promise<void> {
  const { files } = context.engine
  const place = { container, path: file.path }
  if (file.onlyNew && (await files.look(place, context.signal)) !== undefined) return
  await makeFolder(context, container, posix.dirname(file.path))
  const attributes = { mode: file.mode, uid: 0, gid: 0, modified: context.clock.now() }
  const content = Readable.from([Buffer.from(file.content)], { objectMode: false })
  await files.putFile(place, content, attributes, context.signal)
}

async function makeFolder(context: Context<Kind>, container: string, path: string): Promise<void> {
  const { files } = context.engine
  if (path === '/' || (await files.look({ container, path }, context.signal)) !== undefined) return
  await makeFolder(context, container, posix.dirname(path))
  const attributes = { mode: 0o755, uid: 0, gid: 0, modified: context.clock.now() }
  await files.putDirectory({ container, path }, attributes, context.signal)
}

async function linkDbus(context: Context<Kind>, container: string): Promise<void> {
  const place = { container, path: DBUS_ID }
  const entry = await context.engine.files.look(place, context.signal)
  if (entry?.type !== 'file') return
  const attributes = { mode: 0o777, uid: 0, gid: 0, modified: context.clock.now() }
  await context.engine.files.putSymlink(place, '/etc/machine-id', attributes, context.signal)
}
