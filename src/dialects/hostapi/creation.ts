/** New containers: in the first form (name, image, command), in the later one (known by its `uid`), and clones. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { InstancesPost } from '../../contract/instance.ts'
import type { OperationRecord } from '../../contract/operation-record.ts'
import { conflict, isFailure, notFound, unprocessable } from '../../core/failure.ts'
import type { Caller } from '../../services/caller.ts'
import type { Listed } from '../../services/directory.ts'
import { requireOwn } from '../../services/instance-operations.ts'
import { callerOf, settle, type DialectKit } from '../dialect.ts'
import { createNamed } from '../naming.ts'
import { BAD_CONTAINER, isObject, NO_IMAGE, refusedAs } from './errors.ts'
import { bodyAs } from './paths.ts'
import { containerOf, findContainer, findImage, NAME } from './references.ts'
import { toContainer, toImage } from './translate.ts'
import { Clone, Creation, UserCreation } from './wire.ts'

type Devices = Record<string, Record<string, string>>

type Source = NonNullable<InstancesPost['source']>

interface Order {
  /** This dialect's name for it. */
  name: string
  /** Asked for when the name is known to be free. */
  source: () => Promise<Source>
  config?: Record<string, string>
  devices?: Devices
  start?: boolean
}

/** `POST /containers`. */
export async function beginCreation(kit: DialectKit, request: FastifyRequest): Promise<OperationRecord> {
  const caller = callerOf(request)
  if (isLater(request)) return beginForUser(kit, caller, bodyAs(UserCreation, request, BAD_CONTAINER))
  const { name, image, command } = bodyAs(Creation, request, BAD_CONTAINER)
  checkName(name)
  const source = () => imageSource(kit, caller, image)
  return submit(kit, caller, { name, source, config: commandConfig(command) })
}

/** `POST /containers/<CT>/clone`: everything the original is, its files as they are now; not started. */
export async function beginClone(kit: DialectKit, request: FastifyRequest): Promise<OperationRecord> {
  const caller = callerOf(request)
  const { one } = await containerOf(kit, request)
  requireOwn(one.view)
  const { name } = bodyAs(Clone, request, BAD_CONTAINER)
  checkName(name)
  const { project, name: source } = one.where
  const copy = async () => ({ type: 'copy', source, project, instance_only: true })
  return submit(kit, caller, { name, source: copy })
}

/** The new container; in the answer to `clone_of` beside the image that it was made from. */
export async function endCreation(
  kit: DialectKit,
  request: FastifyRequest,
  reply: FastifyReply,
  { entity }: OperationRecord,
): Promise<unknown> {
  const { services, clock, prefix } = kit
  const caller = callerOf(request)
  const images = await services.images.list(caller, 'default')
  const { one } = await findContainer(kit, caller, entity.id)
  reply.code(201).header('location', `${prefix}/containers/${one.hex}`)
  const container = toContainer(one, images, clock.now())
  if (!isLater(request) || !isObject(request.body) || request.body['clone_of'] == null) return container
  const image = images.find(({ record }) => record.name === one.view.record.image)
  if (image === undefined) throw notFound(NO_IMAGE)
  return { container, image: toImage(image) }
}

function isLater({ body }: FastifyRequest): boolean {
  return isObject(body) && 'uid' in body
}

async function beginForUser(kit: DialectKit, caller: Caller, body: UserCreation): Promise<OperationRecord> {
  const { image, clone_of: original } = body
  if ((image == null) === (original == null)) throw unprocessable(BAD_CONTAINER)
  const name = `coco-u${body.uid}-${body.name}`
  checkName(name)
  const order = { name, config: configFor(body), devices: devicesFor(body), start: true }
  if (original != null) return cloneForUser(kit, caller, original, order)
  return submit(kit, caller, { ...order, source: () => imageSource(kit, caller, image ?? '') })
}

function configFor({ cmd, username, base_url: url }: UserCreation): Record<string, string> {
  return {
    ...commandConfig(cmd ?? ''),
    'environment.OWNER': username,
    ...(url != null && { 'environment.BASE_URL': url }),
  }
}

function devicesFor({ ports, volumes }: UserCreation): Devices {
  const proxies = (ports ?? []).map(({ address, external, internal }, at) => {
    const host = address == null || address === '' ? '0.0.0.0' : address
    const listen = `tcp:${host.includes(':') ? `[${host}]` : host}:${external}`
    return [`port${at}`, { type: 'proxy', listen, connect: `tcp:127.0.0.1:${internal}` }] as const
  })
  const disks = (volumes ?? []).map(
    ({ source, target }, at) => [`volume${at}`, { type: 'disk', source, path: target }] as const,
  )
  return Object.fromEntries([...proxies, ...disks])
}

/** As the original did it: an image of the container, and a new one made from that. Two operations, one after the other. */
async function cloneForUser(
  kit: DialectKit,
  caller: Caller,
  original: string,
  order: Omit<Order, 'source'>,
): Promise<OperationRecord> {
  const { one } = await findContainer(kit, caller, original)
  requireOwn(one.view)
  // The idempotency key belongs to what the client asked for, the new container.
  const { idempotency: _key, ...helping } = caller
  let fingerprint = ''
  const source = async () => {
    fingerprint = await publish(kit, helping, one, order.name)
    return { type: 'image', fingerprint }
  }
  try {
    return await settle(kit, await submit(kit, caller, { ...order, source }))
  } catch (failure) {
    // Nobody was told of the image. After a timeout it is still needed.
    if (fingerprint !== '' && !isFailure(failure, 'timeout')) await drop(kit, helping, fingerprint)
    throw failure
  }
}

/** The fingerprint of a new image of a container, under the name that the original gave such images. */
async function publish(kit: DialectKit, caller: Caller, one: Listed, name: string): Promise<string> {
  const tag = `${one.nickname}:for-clone-${name}-at-${Math.floor(kit.clock.now() / 1000)}`
  const publishing = await kit.services.images.create(caller, 'default', {
    source: { type: 'instance', name: one.where.name, project: one.where.project },
    properties: { description: tag },
    aliases: [{ name: tag }],
    compression_algorithm: 'zstd',
  })
  const { metadata } = await settle(kit, publishing)
  return String(metadata?.['fingerprint'])
}

/** What cannot be dropped stays to be seen in the list of images; why the creation failed matters more. */
async function drop(kit: DialectKit, caller: Caller, fingerprint: string): Promise<void> {
  const removing = kit.services.images.remove(caller, 'default', fingerprint)
  await removing.then((operation) => settle(kit, operation)).catch(() => undefined)
}

async function submit(kit: DialectKit, caller: Caller, order: Order): Promise<OperationRecord> {
  const { name, source, ...rest } = order
  const body = async () => ({ ...rest, source: await source() })
  const submitted = createNamed(kit, caller, { dialect: NAME, name }, { body, taken })
  return refusedAs(submitted, (why) => unprocessable(BAD_CONTAINER, { cause: why }))
}

const taken = () => conflict('Container name already in use')

/** Docker's rule for names. An id would hide the container whose id it is. */
const FREE_NAME = /^(?![0-9a-f]{64}$)[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/

function checkName(name: string): void {
  if (!FREE_NAME.test(name)) throw unprocessable(BAD_CONTAINER)
}

async function imageSource(kit: DialectKit, caller: Caller, reference: string): Promise<Source> {
  const known = await findImage(kit, caller, reference)
  if (known !== undefined) return { type: 'image', fingerprint: known.record.name }
  try {
    return await kit.services.imageNames.byName(caller, reference)
  } catch (thrown) {
    throw isFailure(thrown, 'not-found', 'bad-request') ? notFound(NO_IMAGE) : thrown
  }
}

function commandConfig(command: string): Record<string, string> {
  return command.trim() === '' ? {} : { 'raw.docker.command': command }
}
