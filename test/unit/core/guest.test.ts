import { expect, test } from 'vitest'
import type { KeptMetadata } from '../../../src/contract/image-metadata.ts'
import { guestFiles, prepared, triggersOf, withTrigger } from '../../../src/core/guest.ts'
import { instance as instanceRecord } from '../../ports/samples.ts'

const rule = (template: string, ...when: string[]) => ({ when, create_only: false, template, properties: {} })
const metadata = (templates: KeptMetadata['templates'], files: Record<string, string> = {}): KeptMetadata => ({
  architecture: 'x86_64',
  creation_date: 0,
  expiry_date: 0,
  properties: {},
  templates,
  files,
})
const pathsOf = (made: ReturnType<typeof guestFiles>) => made.files.map(({ path }) => path)

test('only what has an init or templates is prepared, once', () => {
  const plain = instanceRecord({ name: 'c1', boot: 'application' })
  expect(withTrigger(plain, 'create')).toBe(plain)
  const system = withTrigger({ ...plain, boot: 'systemd' as const }, 'copy')
  expect(triggersOf(system)).toEqual(['copy'])
  expect(triggersOf(prepared(system))).toEqual([])
})

test('systemd gets a machine-id to fill and a generator; cloud-init its seed where there is data', () => {
  const system = instanceRecord({ name: 'c1', boot: 'systemd' })
  const bare = guestFiles(system, {}, ['create'])
  expect(pathsOf(bare)).toEqual(['/etc/machine-id', '/etc/systemd/system-generators/windlass'])
  expect(bare.files[0]).toMatchObject({ content: '', onlyNew: false })
  const seeded = guestFiles(system, { 'cloud-init.user-data': 'a', 'user.user-data': 'b' }, ['copy'])
  const user = seeded.files.find(({ path }) => path.endsWith('/user-data'))
  expect(user?.content).toBe('a')
  expect(pathsOf(guestFiles(system, { 'cloud-init.user-data': 'a' }, ['start']))).toEqual([])
})

test('templates write into the root and nowhere else; a bad one is told and skipped', () => {
  const templates = {
    '/etc/../../root/x': rule('t', 'create'),
    relative: rule('t', 'create'),
    '/proc/sys/kernel/core_pattern': rule('t', 'create'),
    '/etc/hostname': rule('t', 'create'),
    '/etc//motd': rule('t', 'create'),
    '/etc/bad': rule('bad', 'create'),
    '/etc/later': rule('t', 'start'),
  }
  const files = { t: '{{ instance.name }}', bad: '{% for x in y %}' }
  const made = guestFiles(
    { ...instanceRecord({ name: 'c1', boot: 'init' }), metadata: metadata(templates, files) },
    {},
    ['create'],
  )
  expect(made.files).toEqual([{ path: '/etc/motd', content: 'c1', mode: 0o644, onlyNew: false }])
  expect(made.warnings).toHaveLength(4)
})
