/**
 * A Debian made by debootstrap, as an LXD image: a small machine that boots, reboots, is copied and goes back. It takes
 * some minutes, so it is run by `npm run test:engines`, or where WINDLASS_TEST_DEBIAN is set.
 */
import { env } from 'node:process'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fieldOf } from '../../src/setup/api-client.ts'
import { debianRootTar } from '../support/debian-root.ts'
import { until } from '../support/processes.ts'
import { startWindlass, type Operation, type TestWindlass } from '../support/windlass.ts'
import { makeTar } from '../unit/engine/tarball-archives.ts'

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
    const imported = await windlass.operate('POST', '/1.0/images', split(metadata, gzipSync(root, { level: 1 })), {
      'content-type': 'multipart/form-data; boundary=b0',
      'x-lxd-aliases': 'name=debian',
    })
    expect(imported).toMatchObject({ status: 'Success', err: '' })
  }, 900_000)
  afterAll(() => windlass?.[Symbol.asyncDispose]())

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
    windlass.operate('PUT', `/1.0/instances/${name}/state`, { action, timeout: 30, ...more })

  async function run(name: string, line: string): Promise<string> {
    const body = { command: ['sh', '-c', line], 'record-output': true }
    const operation = await windlass.operate('POST', `/1.0/instances/${name}/exec`, body)
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
      async () => /^(running|degraded)$/m.exec(await run(name, 'systemctl is-system-running --wait'))?.[0],
      () => new Error(`${name} has not booted`),
    )

  async function addressOf(name: string): Promise<string> {
    const network = fieldOf(await metadataOf(`/1.0/instances/${name}/state`), 'network')
    return String(fieldOf(Object(fieldOf(fieldOf(network, 'eth0'), 'addresses'))[0], 'address'))
  }

  const done = (operation: Operation) => expect(operation).toMatchObject({ status: 'Success', err: '' })

  test('boots, has its services, and lives through reboots, snapshots and copies', { timeout: 300_000 }, async () => {
    const config = { 'user.user-data': USER_DATA }
    done(
      await windlass.operate('POST', '/1.0/instances', {
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
    expect(await run('d1', 'cat /etc/motd /etc/from-cloud')).toBe('Welcome to d1\nseeded')
    const id = await run('d1', 'cat /etc/machine-id')
    expect(id).toMatch(/^[0-9a-f]{32}\n$/)
    const address = await addressOf('d1')

    await run('d1', 'systemctl reboot || true')
    await until(
      60_000,
      async () => ((await run('d1', 'systemctl is-active ssh').catch(() => '')) === 'active\n' ? true : undefined),
      () => new Error('It has not come back'),
    )
    expect(await run('d1', 'cat /etc/machine-id')).toBe(id)
    expect(await addressOf('d1')).toBe(address)

    done(await windlass.operate('POST', '/1.0/instances/d1/snapshots', { name: 's0' }))
    await run('d1', 'rm /etc/from-cloud')
    done(await windlass.operate('PUT', '/1.0/instances/d1', { restore: 's0' }))
    expect(await booted('d1')).toBe('running')
    expect(await run('d1', 'cat /etc/from-cloud')).toBe('seeded')
    expect(await run('d1', 'cat /etc/machine-id')).toBe(id)

    done(await windlass.operate('POST', '/1.0/instances', { name: 'd2', source: { type: 'copy', source: 'd1/s0' } }))
    done(await state('d2', 'start'))
    expect(await booted('d2')).toBe('running')
    expect(await run('d2', 'cat /etc/machine-id')).not.toBe(id)
    expect(await run('d2', 'cat /etc/motd')).toBe('Welcome to d2\n')
    expect(await addressOf('d2')).not.toBe(address)

    done(await state('d2', 'stop', { timeout: 10 }))
    await run('d1', 'systemctl poweroff || true').catch(() => '')
    await becomes('d1', 'Stopped')
  })
})
