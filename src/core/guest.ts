/** What an instance with an init of its own finds inside at its first start, and what its image's templates make. */
import type { Config } from '../contract/common.ts'
import type { KeptMetadata } from '../contract/image-metadata.ts'
import type { InstanceRecord } from '../contract/records.ts'
import { toFailure, tooLarge } from './failure.ts'
import { renderTemplate, type Scope, type Value } from './template.ts'

/** LXD's key for what is to happen at the next start: create, copy or rename. */
export const APPLY_TEMPLATE = 'volatile.apply_template'

export type Trigger = 'create' | 'copy' | 'rename' | 'start'

const ONCE: readonly Trigger[] = ['create', 'copy', 'rename']

export interface GuestFile {
  /** Absolute, clean. */
  path: string
  content: string
  mode: number
  /** A file that is there stays. */
  onlyNew: boolean
}

export interface GuestFiles {
  files: GuestFile[]
  /** Sentences on what could not be made. */
  warnings: string[]
}

const SEED = '/var/lib/cloud/seed/nocloud-net'
/** The engine mounts its own over these. */
const ENGINES = new Set(['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'])
const KERNELS = /^\/(proc|sys|dev)(\/|$)/
const MAX_OUTPUT = 1024 * 1024
/** They lie in records, which every API process holds in memory: characters of all templates, and of the rest. */
const MAX_FILES = 128 * 1024
const MAX_REST = 64 * 1024
const MAX_RULES = 100

/** Too-large, naming the bound, for metadata that no record takes. */
export function checkMetadata({ files, ...rest }: KeptMetadata): void {
  if (JSON.stringify(files).length > MAX_FILES) throw tooLarge(`Templates have at most ${MAX_FILES} characters`)
  if (JSON.stringify(rest).length > MAX_REST) throw tooLarge(`Metadata have at most ${MAX_REST} characters`)
  if (Object.keys(rest.templates).length > MAX_RULES) throw tooLarge(`At most ${MAX_RULES} templates can be applied`)
}

/** The config of a new or copied instance that has something to prepare. */
export function withTrigger<Draft extends Pick<InstanceRecord, 'config' | 'boot' | 'metadata'>>(
  draft: Draft,
  trigger: 'create' | 'copy',
): Draft {
  const hasTemplates = Object.keys(draft.metadata?.templates ?? {}).length > 0
  if (draft.boot === 'application' && !hasTemplates) return draft
  return { ...draft, config: { ...draft.config, [APPLY_TEMPLATE]: trigger } }
}

/** The record after a start that has prepared it. */
export function prepared(record: InstanceRecord): InstanceRecord {
  if (record.config[APPLY_TEMPLATE] === undefined) return record
  const config = Object.fromEntries(Object.entries(record.config).filter(([key]) => key !== APPLY_TEMPLATE))
  return { ...record, config }
}

/** What has to be done before a start, the once-only first. */
export function triggersOf({ config, metadata }: Pick<InstanceRecord, 'config' | 'metadata'>): Trigger[] {
  const once = ONCE.filter((trigger) => trigger === config[APPLY_TEMPLATE])
  const atStart = Object.values(metadata?.templates ?? {}).some(({ when }) => when.includes('start'))
  return atStart ? [...once, 'start'] : once
}

/** The files for these triggers; `config` is the expanded one. */
export function guestFiles(instance: InstanceRecord, config: Config, triggers: readonly Trigger[]): GuestFiles {
  const isFirst = triggers.includes('create') || triggers.includes('copy')
  const templated = triggers.flatMap((trigger) => fromTemplates(instance, config, trigger))
  const made = templated.flatMap((one) => ('file' in one ? [one.file] : []))
  const files = new Map(made.map((file) => [file.path, file]))
  if (isFirst) {
    for (const file of [...firstFiles(instance), ...seedFiles(instance, config, files)]) files.set(file.path, file)
  }
  return {
    files: [...files.values()],
    warnings: templated.flatMap((one) => ('warning' in one ? [one.warning] : [])),
  }
}

function firstFiles({ boot }: InstanceRecord): GuestFile[] {
  if (boot !== 'systemd') return []
  return [
    // Empty, not missing: a missing one makes systemd ask who boots for the first time.
    { path: '/etc/machine-id', content: '', mode: 0o444, onlyNew: false },
    { path: '/etc/systemd/system-generators/windlass', content: GENERATOR, mode: 0o755, onlyNew: false },
  ]
}

/** Units that would fight with the engine over the address, or wait for what no container has. */
const MASKED = [
  'networking.service',
  'ifup@.service',
  'ifup@eth0.service',
  'systemd-networkd.service',
  'systemd-networkd.socket',
  'systemd-networkd-wait-online.service',
  'NetworkManager.service',
  'NetworkManager-wait-online.service',
  'systemd-udevd.service',
  'systemd-udevd-control.socket',
  'systemd-udevd-kernel.socket',
  'systemd-udev-trigger.service',
  'systemd-udev-settle.service',
  'systemd-modules-load.service',
  'dev-hugepages.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'sys-kernel-config.mount',
]

/** What it makes lies in a tmpfs: no unit of the image is changed, and elsewhere the image boots as it always did. */
const GENERATOR = `#!/bin/sh
# Written by Windlass: in a container of Docker Engine these units have nothing to do.
[ -e /.dockerenv ] || exit 0
for unit in ${MASKED.join(' ')}; do
  ln -sf /dev/null "$2/$unit"
done
`

const GIVEN = ['user-data', 'vendor-data', 'network-config', 'meta-data']

/** The seed by which cloud-init finds its data without a network; the address is the engine's. */
function seedFiles({ name, uuid }: InstanceRecord, config: Config, made: ReadonlyMap<string, GuestFile>): GuestFile[] {
  const given = (key: string): string => config[`cloud-init.${key}`] || config[`user.${key}`] || ''
  const isWanted = GIVEN.some((key) => given(key) !== '') || [...made.keys()].some((path) => path.startsWith(SEED))
  if (!isWanted) return []
  const usual = '#cloud-config\n{}\n'
  const seeds: [string, string][] = [
    ['meta-data', `instance-id: ${uuid}\nlocal-hostname: ${name}\n${given('meta-data')}`],
    ['network-config', 'version: 1\nconfig: disabled\n'],
    ['user-data', given('user-data') || made.get(`${SEED}/user-data`)?.content || usual],
    ['vendor-data', given('vendor-data') || made.get(`${SEED}/vendor-data`)?.content || usual],
  ]
  return seeds.map(([file, content]) => ({ path: `${SEED}/${file}`, content, mode: 0o600, onlyNew: false }))
}

type Made = { file: GuestFile } | { warning: string }

function fromTemplates(instance: InstanceRecord, config: Config, trigger: Trigger): Made[] {
  const { metadata } = instance
  if (metadata === undefined) return []
  const due = Object.entries(metadata.templates).filter(([, { when }]) => when.includes(trigger))
  return due.flatMap(([path, rule]): Made[] => {
    const clean = cleanPath(path)
    if (clean === undefined) return [{ warning: `No template is applied at ${JSON.stringify(path)}` }]
    if (ENGINES.has(clean)) return []
    try {
      const content = renderTemplate(
        textOf(metadata, rule.template),
        scopeOf(instance, config, { trigger, path, rule }),
      )
      if (content.length > MAX_OUTPUT) return [{ warning: `Template ${rule.template} makes too large a file` }]
      return [{ file: { path: clean, content, mode: 0o644, onlyNew: rule.create_only } }]
    } catch (failure) {
      return [{ warning: `Template ${rule.template} was not applied at ${clean}: ${toFailure(failure).message}` }]
    }
  })
}

function textOf({ files }: KeptMetadata, name: string): string {
  return Object.hasOwn(files, name) ? (files[name] ?? '') : ''
}

/** undefined for what leads out of the root or into what is no file of the instance. */
function cleanPath(path: string): string | undefined {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  const clean = `/${parts.join('/')}`
  if (!path.startsWith('/') || parts.length === 0 || parts.includes('..') || path.includes('\0')) return undefined
  return KERNELS.test(clean) ? undefined : clean
}

function scopeOf(
  { name, uuid, architecture, ephemeral, boot }: InstanceRecord,
  config: Config,
  about: { trigger: Trigger; path: string; rule: KeptMetadata['templates'][string] },
): Scope {
  const privileged = config['security.privileged'] === 'true'
  const container: Value = { name, architecture, type: 'container', ephemeral, privileged, id: uuid, boot }
  return {
    values: {
      trigger: about.trigger,
      path: about.path,
      container,
      instance: container,
      config,
      properties: about.rule.properties,
    },
    config: (key) => config[key],
  }
}
