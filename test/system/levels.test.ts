import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { publishStarterImage } from '../../src/setup/publish-starter.ts'
import { askEngine } from '../support/ask-engine.ts'
import { systemImageTar } from '../support/system-image.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'

// What the containers of instances may do, by how they boot and by their `security.` keys: as the engine has them.

/** As systemd ends by the signal that asks it to power off, SIGRTMIN+3; of any other one it would not know. */
const INIT = `trap 'exit 130' 37\ntrap : TERM\nwhile :; do sleep 1 & wait $!; done`
const APPLICATION = { type: 'image', alias: 'busybox' }

let windlass: TestWindlass
let system: { type: string; fingerprint: string }
/** Control groups of version 2. */
let isNewCgroup: boolean

beforeAll(async () => {
  windlass = await startWindlass()
  await publishStarterImage(windlass.socket, '/bin/busybox')
  const uploaded = await operate('POST', '/1.0/images', await systemImageTar(INIT, undefined, 'lib/systemd/systemd'))
  system = { type: 'image', fingerprint: String(uploaded.metadata?.['fingerprint']) }
  isNewCgroup = (await ask<{ CgroupVersion?: string }>('/info')).CgroupVersion === '2'
})

afterAll(() => windlass?.[Symbol.asyncDispose]())

describe('a system', () => {
  test('has the right to end itself and its own control groups, and nothing more', async () => {
    await create('plain', system)
    const { HostConfig: host } = await inspect('plain')
    expect(rightsOf(host)).toEqual(['SYS_BOOT'])
    expect(host).toMatchObject({ Privileged: false, Init: false, RestartPolicy: { Name: 'no' } })
    expect(Object.keys(host.Tmpfs ?? {}).toSorted()).toEqual(['/run', '/run/lock', '/tmp'])
    expect(host.SecurityOpt ?? []).not.toContain('seccomp=unconfined')
    done(await power('plain', 'start'))
    expect(await sh('plain', 'mount -t tmpfs none /mnt || echo no')).toBe('no\n')
  })

  test('ends by its own signal when it is stopped, and is not killed', async () => {
    done(await power('plain', 'stop', { timeout: 60 }))
    const { Config: config, State: state } = await inspect('plain')
    expect([config.StopSignal, state.Status, state.ExitCode]).toEqual(['SIGRTMIN+3', 'exited', 130])
  })
})

describe('security.nesting', () => {
  const config = { 'security.nesting': 'true' }

  test.each([
    ['a system', () => system, ['NET_ADMIN', 'SYS_ADMIN', 'SYS_BOOT']],
    ['an application', () => APPLICATION, ['NET_ADMIN', 'SYS_ADMIN']],
  ])('gives %s what an engine inside needs', async (what, source, rights) => {
    const name = what.replaceAll(' ', '-')
    await create(name, source(), config)
    const { HostConfig: host, Mounts: mounts } = await inspect(name)
    expect(rightsOf(host)).toEqual(rights)
    expect(host.SecurityOpt).toEqual(expect.arrayContaining(['seccomp=unconfined', 'apparmor=unconfined']))
    expect(host.Privileged).toBe(false)
    const volumes = mounts.filter(({ Type }) => Type === 'volume')
    expect(volumes).toMatchObject([{ Destination: '/var/lib/docker', RW: true }])
    if (!isNewCgroup && source() === APPLICATION) {
      expect(host.CgroupnsMode).toBe('private')
      expect(host.Tmpfs).toHaveProperty('/sys/fs/cgroup')
    }
    if (!(await starts(name))) return
    expect(await sh(name, 'mkdir -p /mnt; mount -t tmpfs none /mnt && echo mounted')).toBe('mounted\n')
    expect(await sh(name, 'ip link set lo down && ip link set lo up && echo up')).toBe('up\n')
  })

  test('comes to a system that is there already, and goes again', async () => {
    const put = async (wanted: Record<string, string>) =>
      done(
        await windlass.operate('PUT', '/1.0/instances/plain', { config: wanted, devices: {}, profiles: ['default'] }),
      )
    await put(config)
    expect(rightsOf((await inspect('plain')).HostConfig)).toContain('SYS_ADMIN')
    await put({})
    expect(rightsOf((await inspect('plain')).HostConfig)).toEqual(['SYS_BOOT'])
  })
})

test.each([
  ['system', () => system],
  ['application', () => APPLICATION],
])(
  'security.privileged makes the container of an instance (%s) privileged, which the engine can start or says why not',
  async (boot, source) => {
    const name = `privileged-${boot}`
    await create(name, source(), { 'security.privileged': 'true' })
    const { HostConfig: host } = await inspect(name)
    expect(host.Privileged).toBe(true)
    if (!(await starts(name))) return
    const [, effective = ''] = /^CapEff:\s*([0-9a-f]+)$/m.exec(await sh(name, 'cat /proc/self/status')) ?? []
    // SYS_MODULE, which no other level has.
    expect(BigInt(`0x${effective}`) & (1n << 16n)).not.toBe(0n)
  },
)

function done(operation: Operation): void {
  expect(operation).toMatchObject({ status: 'Success', err: '' })
}

async function operate(method: string, path: string, body: unknown): Promise<Operation> {
  const ended = await windlass.operate(method, path, body)
  done(ended)
  return ended
}

const create = (name: string, source: object, config: Record<string, string> = {}) =>
  operate('POST', '/1.0/instances', { name, source, config })
const power = (name: string, action: string, more: object = {}) =>
  windlass.operate('PUT', `/1.0/instances/${name}/state`, { action, ...more })

/** Whether it runs. An engine that has not all rights itself cannot give them away, which its user has to be told. */
async function starts(name: string): Promise<boolean> {
  const started = await power(name, 'start')
  const { State: state } = await inspect(name)
  if (started.status === 'Success') {
    expect(state.Status).toBe('running')
    return true
  }
  expect(started.err).toMatch(/^Docker Engine itself lacks a right that the instance is to have \(.*\): run the engine/)
  expect(state.Status).not.toBe('running')
  const { body } = await windlass.call('GET', `/1.0/instances/${name}`)
  expect(fieldOf(fieldOf(body, 'metadata'), 'status')).toBe('Stopped')
  return false
}

async function sh(name: string, script: string): Promise<string> {
  const body = { command: ['sh', '-c', script], 'record-output': true }
  const { metadata } = await operate('POST', `/1.0/instances/${name}/exec`, body)
  return (await windlass.call('GET', String(fieldOf(metadata?.['output'], '1')))).text
}

interface HostConfig {
  Privileged: boolean
  CapAdd: string[] | null
  SecurityOpt: string[] | null
  Tmpfs?: Record<string, string>
  CgroupnsMode: string
}

interface Inspected {
  HostConfig: HostConfig
  Config: { StopSignal: string }
  State: { Status: string; ExitCode: number }
  Mounts: { Type: string }[]
}

async function ask<T>(path: string): Promise<T> {
  return JSON.parse((await askEngine(windlass.engine.socket, 'GET', path)).text)
}

const inspect = (name: string) => ask<Inspected>(`/containers/${name}.lxd/json`)
/** Newer engines write them with a prefix. */
const rightsOf = ({ CapAdd }: HostConfig) => (CapAdd ?? []).map((right) => right.replace(/^CAP_/, '')).toSorted()
