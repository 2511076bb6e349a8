/** What the cases of the engine port share: an engine, and ways to make things that are removed afterwards. */
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { ContainerSpec, OwnLabels } from '../../src/core/container.ts'
import type { Engine } from '../../src/core/engine.ts'
import { isFailure } from '../../src/core/failure.ts'

/** An engine under test, made with tools. `image` holds a static busybox with `sh`, and its own PATH. */
export interface EngineUnderTest {
  engine: Engine
  deployment: string
  /** Reference of the image, with its tag. */
  image: string
  /** Root file system of that image as plain tar. */
  rootfs(): Promise<Buffer>
  close(): Promise<void>
}

export interface EngineKit {
  readonly at: EngineUnderTest
  readonly engine: Engine
  /** Everything made here carries it. */
  readonly project: string
  labels(role: OwnLabels['role'], more?: Partial<OwnLabels>): OwnLabels
  /** A container that sleeps. */
  spec(more?: Partial<ContainerSpec>): ContainerSpec
  /** The id of one that was created and started. */
  started(more?: Partial<ContainerSpec>): Promise<string>
  /** Runs a script by `sh` in a container, to its end: what it wrote. */
  sh(container: string, script: string): Promise<string>
  open: () => Promise<void>
  close: () => Promise<void>
}

export const NO_LIMITS = { cpuQuota: 0, cpuShares: 0, cpuSet: '', memoryBytes: 0, swapBytes: 0, processes: 0 }

/** A name nobody else has. */
export function unique(): string {
  return `wt-${randomUUID().slice(0, 12)}`
}

/** The kit over an engine that is opened when the cases begin. */
export function makeKit(open: () => Promise<EngineUnderTest>): EngineKit {
  let opened: EngineUnderTest | undefined
  const project = `suite-${randomUUID().slice(0, 8)}`
  const kit: EngineKit = {
    project,
    get at() {
      if (opened === undefined) throw new Error('The engine is not open')
      return opened
    },
    get engine() {
      return kit.at.engine
    },
    labels: (role, more = {}) => ({
      deployment: kit.at.deployment,
      role,
      uuid: randomUUID(),
      project,
      operation: randomUUID(),
      step: 'make',
      origin: '{"a":"$b \\"c\\""}',
      ...more,
    }),
    spec: (more = {}) => ({
      name: unique(),
      image: kit.at.image,
      hostname: 'c1',
      nameservers: [],
      searchDomain: 'lxd',
      labels: kit.labels('instance'),
      boot: 'application',
      command: ['sleep', '1000'],
      entrypoint: undefined,
      user: undefined,
      workdir: undefined,
      stopSignal: 'SIGTERM',
      environment: {},
      nics: [],
      mounts: [],
      ports: [],
      hostDevices: [],
      gpus: [],
      limits: NO_LIMITS,
      privileged: false,
      nesting: false,
      ...more,
    }),
    started: async (more) => {
      const id = await kit.engine.containers.create(kit.spec(more))
      await kit.engine.containers.start(id)
      return id
    },
    sh: async (container, script) => {
      const settings = { environment: {}, user: '', cwd: '', tty: false, width: 0, height: 0, marker: randomUUID() }
      const run = await kit.engine.execs.run({ container, command: ['sh', '-c', script], ...settings })
      run.stdin.end()
      return textOf(run.stdout)
    },
    open: async () => {
      opened = await open()
    },
    close: async () => {
      if (opened === undefined) return
      await clean(opened.engine, project)
      await opened.close()
    },
  }
  return kit
}

async function clean({ containers, networks, volumes, images }: Engine, project: string): Promise<void> {
  for (const one of await containers.find({ project })) await containers.remove(one.id, { force: true })
  for (const one of await networks.list()) if (one.own?.project === project) await networks.remove(one.id)
  for (const one of await volumes.find({ project })) await volumes.remove(one.name)
  const made = await images.find({ project })
  for (const tag of made.flatMap((one) => one.tags)) await images.untag(tag)
}

/** The Failure a promise ends with; anything else is thrown. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const thrown = await promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error,
  )
  if (!isFailure(thrown)) throw thrown
  return thrown
}

/** All that a stream says. */
export async function textOf(stream: Readable): Promise<string> {
  return (await buffer(stream)).toString()
}

/** What a stream has said so far. */
export function collect(stream: Readable): () => string {
  let seen = ''
  stream.on('data', (chunk: Buffer) => (seen += chunk.toString()))
  return () => seen
}
