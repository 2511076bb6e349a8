/**
 * A Debian made by debootstrap, as an LXD image: a small machine that boots, reboots, is copied and goes back. It takes
 * some minutes, so it is run by `npm run test:engines`, or where WINDLASS_TEST_DEBIAN is set.
 */
import { env, stdout } from 'node:process'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { askEngine } from '../support/ask-engine.ts'
import { debianRootTar } from '../support/debian-root.ts'
import { until } from '../support/processes.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'
import { makeTar } from '../unit/engine/tarball-archives.ts'

/** How systemd leaves a container that it has powered off; one that was killed has 137. */
const POWERED_OFF = 130

const METADATA = `architecture: x86_64
creation_date: 1700000000
properties: {os: Debian}
templates:
  /etc/motd:
    when: [create, copy]
    template: motd.tpl
`
/** The tar has no locales. */
const USER_DATA = '#cloud-config\nlocale: false\nwrite_files:\n- path: /etc/from-cloud\n  content: seeded\n'

/** The last one is needed by a name that debootstrap does not follow. */
const PACKAGES = ['systemd-sysv', 'openssh-server', 'cloud-init', 'dbus', 'python3-cffi-backend']

describe.skipIf(env['WINDLASS_TEST_DEBIAN'] === undefined)('a Debian', () => {
  let windlass: TestWindlass
  beforeAll(async () => {
    // Made once, then kept in the checkout's cache.
    const root = await debianRootTar('systemd', PACKAGES)
    windlass = await startWindlass({ workers: 2 })
    const metadata = makeTar([
      { name: 'metadata.yaml', content: METADATA },
      { name: 'templates/motd.tpl', content: 'Welcome to {{ container.name }}\n' },
    ])
    const imported = await operate('POST', '/1.0/images', split(metadata, gzipSync(root, { level: 1 })), {
      'content-type': 'multipart/form-data; boundary=b0',
      'x-lxd-aliases': 'name=debian',
    })
    expect(imported).toMatchObject({ status: 'Success', err: '' })
  }, 900_000)
  afterAll(() => windlass?.[Symbol.asyncDispose]())

  /** To its end: with hundreds of megabytes a busy machine takes longer than one wait. */
  const operate: TestWindlass['operate'] = async (...request) => {
    let operation = await windlass.operate(...request)
    while (operation.status_code < 200) {
      const { body } = await windlass.call('GET', `/1.0/operations/${operation.id}/wait?timeout=120`)
      operation = fieldOf(body, 'metadata') as Operation // as in the harness
    }
    return operation
  }

  const split = (metadata: Buffer, rootfs: Buffer) => {
    const head = (name: string) => `--b0\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n\r\n`
    return Buffer.concat([
      Buffer.from(head('metadata')),
      metadata,
      Buffer.from(`\r\n${head('rootfs')}`),
      rootfs,
      Buffer.from('\r\n--b0--\r\n'),
    ])
  }

  const state = (name: string, action: string, more: object = {}) =>
    operate('PUT', `/1.0/instances/${name}/state`, { action, timeout: 30, ...more })

  async function run(name: string, line: string): Promise<string> {
    const body = { command: ['sh', '-c', line], 'record-output': true }
    const operation = await operate('POST', `/1.0/instances/${name}/exec`, body)
    const output: unknown = fieldOf(fieldOf(operation.metadata, 'output'), '1')
    return (await windlass.call('GET', String(output))).text
  }

  const metadataOf = async (path: string) => fieldOf((await windlass.call('GET', path)).body, 'metadata')
  const statusOf = async (name: string) => fieldOf(await metadataOf(`/1.0/instances/${name}`), 'status')
  const becomes = (name: string, status: string) =>
    until(
      60_000,
      async () => ((await statusOf(name)) === status ? true : undefined),
      () => new Error(`${name} has not become ${status}`),
    )

  /** How its boot ended. */
  const booted = (name: string) =>
    until(
      60_000,
      // There is no asking before its bus is there.
      async () =>
        /^(running|degraded)$/m.exec(await run(name, 'systemctl is-system-running --wait').catch(() => ''))?.[0],
      () => new Error(`${name} has not booted`),
    )

  async function addressOf(name: string): Promise<string> {
    const network = fieldOf(await metadataOf(`/1.0/instances/${name}/state`), 'network')
    return String(fieldOf(Object(fieldOf(fieldOf(network, 'eth0'), 'addresses'))[0], 'address'))
  }

  /** What its ssh server says first. */
  async function greetingOf(address: string): Promise<string> {
    const line = `exec 3<>/dev/tcp/${address}/22 && head -n 1 <&3`
    return (await windlass.engine.netnsExec('bash', '-c', line)).stdout
  }

  /** A field of its container's state. */
  async function engineState(name: string, field: 'ExitCode' | 'StartedAt'): Promise<unknown> {
    const { text } = await askEngine(windlass.engine.socket, 'GET', `/containers/${name}.lxd/json`)
    return fieldOf(fieldOf(JSON.parse(text), 'State'), field)
  }

  const exitOf = (name: string) => engineState(name, 'ExitCode')

  const done = (operation: Operation) => expect(operation).toMatchObject({ status: 'Success', err: '' })

  test('boots, has its services, and lives through reboots, snapshots and copies', { timeout: 900_000 }, async () => {
    const config = { 'user.user-data': USER_DATA }
    done(
      await operate('POST', '/1.0/instances', {
        name: 'd1',
        source: { type: 'image', alias: 'debian' },
        config,
      }),
    )
    done(await state('d1', 'start'))
    const boot = await booted('d1')
    expect(await run('d1', 'systemctl --failed --plain --no-legend')).toBe('')
    expect(boot).toBe('running')
    expect(await run('d1', 'systemctl is-active ssh')).toBe('active\n')
    expect(await greetingOf(await addressOf('d1'))).toMatch(/^SSH-2/)
    expect(await run('d1', 'cat /etc/motd /etc/from-cloud')).toBe('Welcome to d1\nseeded')
    const id = await run('d1', 'cat /etc/machine-id')
    expect(id).toMatch(/^[0-9a-f]{32}\n$/)
    const address = await addressOf('d1')

    const first = await engineState('d1', 'StartedAt')
    await run('d1', 'reboot || true').catch(() => '')
    await until(
      60_000,
      async () => ((await engineState('d1', 'StartedAt')) === first ? undefined : true),
      () => new Error('It has not come back'),
    )
    expect(await booted('d1')).toBe('running')
    expect(await run('d1', 'systemctl is-active ssh')).toBe('active\n')
    expect(await run('d1', 'cat /etc/machine-id')).toBe(id)
    expect(await addressOf('d1')).toBe(address)

    done(await operate('POST', '/1.0/instances/d1/snapshots', { name: 's0' }))
    await run('d1', 'rm /etc/from-cloud')
    done(await operate('PUT', '/1.0/instances/d1', { restore: 's0' }))
    expect(await booted('d1')).toBe('running')
    expect(await run('d1', 'cat /etc/from-cloud')).toBe('seeded')
    expect(await run('d1', 'cat /etc/machine-id')).toBe(id)
    expect(await addressOf('d1')).toBe(address)

    done(await operate('POST', '/1.0/instances', { name: 'd2', source: { type: 'copy', source: 'd1/s0' } }))
    done(await state('d2', 'start'))
    expect(await booted('d2')).toBe('running')
    expect(await run('d2', 'cat /etc/machine-id')).not.toBe(id)
    expect(await run('d2', 'cat /etc/motd')).toBe('Welcome to d2\n')
    expect(await addressOf('d2')).not.toBe(address)
    // A copy is another machine to cloud-init as well.
    const seeded = 'cat /var/lib/cloud/data/instance-id'
    expect(await run('d2', seeded)).not.toBe(await run('d1', seeded))

    const before = performance.now()
    done(await state('d2', 'stop'))
    stdout.write(`A clean stop took ${Math.round(performance.now() - before)} ms\n`)
    expect(await exitOf('d2')).toBe(POWERED_OFF)
    await run('d1', 'poweroff || true').catch(() => '')
    await becomes('d1', 'Stopped')
    expect(await exitOf('d1')).toBe(POWERED_OFF)
  })

  test(
    'boots with nesting, and where the engine can give all rights also privileged',
    { timeout: 900_000 },
    async () => {
      const make = async (name: string, config: Record<string, string>) => {
        const source = { type: 'image', alias: 'debian' }
        done(await operate('POST', '/1.0/instances', { name, source, config }))
        return state(name, 'start')
      }
      done(await make('n1', { 'security.nesting': 'true' }))
      expect([await booted('n1'), await run('n1', 'systemctl --failed --plain --no-legend')]).toEqual(['running', ''])
      expect(await run('n1', 'unshare --mount --pid --fork mount -t tmpfs none /mnt && echo mounted')).toBe('mounted\n')
      done(await state('n1', 'stop'))
      expect(await exitOf('n1')).toBe(POWERED_OFF)

      const started = await make('p1', { 'security.privileged': 'true' })
      if (started.status === 'Success') expect(await booted('p1')).toMatch(/running|degraded/)
      else expect(started.err).toMatch(/^Docker Engine itself lacks a right that the instance is to have/)
    },
  )
})
