/** What `metadata.yaml` says of an instance, and the templates beside it: its own once it was made from an image. */
import type { InstanceMetadata, InstanceMetadataPut, KeptMetadata, TemplateRule } from '../contract/image-metadata.ts'
import type { InstanceRecord } from '../contract/records.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { badRequest, notFound } from '../core/failure.ts'
import { checkMetadata } from '../core/guest.ts'
import { imagePropertiesOf } from '../core/image-properties.ts'
import { requireRole, type Caller } from './caller.ts'
import type { InstanceViews, Where } from './instance-views.ts'
import { requireOwn } from './instance-operations.ts'
import { metadataUrl } from './instance-urls.ts'
import { tellOf, type Write, type Writing } from './writes.ts'

export type InstanceMetadatas = ReturnType<typeof createInstanceMetadata>

const NOTHING: KeptMetadata = {
  architecture: '',
  creation_date: 0,
  expiry_date: 0,
  properties: {},
  templates: {},
  files: {},
}

export function createInstanceMetadata({ views, write }: { views: InstanceViews; write: Write }) {
  async function get(caller: Caller, where: Where): Promise<{ metadata: InstanceMetadata; etag: string }> {
    const { record } = await views.get(caller, where)
    const { files: _files, ...metadata } = metadataOf(record)
    await tellOf(write, caller, eventOf(record, 'instance-metadata-retrieved'))
    return { metadata, etag: etagOf(record.uuid, record.rev) }
  }

  /** `PUT`: what is left out is empty. */
  async function put(caller: Caller, where: Where, body: InstanceMetadataPut, ifMatch?: string): Promise<void> {
    const record = await writable(caller, where, ifMatch)
    const { files } = metadataOf(record)
    await change(caller, record, { ...NOTHING, ...given(body), files })
  }

  /** `PATCH`: merged into what is there. */
  async function patch(caller: Caller, where: Where, body: InstanceMetadataPut, ifMatch?: string): Promise<void> {
    const record = await writable(caller, where, ifMatch)
    const now = metadataOf(record)
    const next = given(body)
    const properties = { ...now.properties, ...next.properties }
    await change(caller, record, { ...now, ...next, properties, templates: { ...now.templates, ...next.templates } })
  }

  async function templates(caller: Caller, where: Where): Promise<string[]> {
    const { record } = await views.get(caller, where)
    return Object.keys(metadataOf(record).files).toSorted()
  }

  async function template(caller: Caller, where: Where, name: string): Promise<string> {
    const { record } = await views.get(caller, where)
    const { files } = metadataOf(record)
    const text = Object.hasOwn(files, name) ? files[name] : undefined
    if (text === undefined) throw notFound(`Template "${name}" not found`)
    await tellOf(write, caller, templateEvent(record, 'retrieved', name))
    return text
  }

  /** Makes or replaces one. */
  async function putTemplate(caller: Caller, where: Where, name: string, text: string): Promise<void> {
    if (!/^[\w][\w. -]{0,127}$/.test(name)) throw badRequest(`Invalid template name "${name.slice(0, 128)}"`)
    const record = await writable(caller, where)
    const now = metadataOf(record)
    await change(
      caller,
      record,
      { ...now, files: { ...now.files, [name]: text } },
      templateEvent(record, 'created', name),
    )
  }

  async function deleteTemplate(caller: Caller, where: Where, name: string): Promise<void> {
    const record = await writable(caller, where)
    const now = metadataOf(record)
    if (!Object.hasOwn(now.files, name)) throw notFound(`Template "${name}" not found`)
    const files = Object.fromEntries(Object.entries(now.files).filter(([one]) => one !== name))
    await change(caller, record, { ...now, files }, templateEvent(record, 'deleted', name))
  }

  async function writable(caller: Caller, where: Where, ifMatch?: string): Promise<InstanceRecord> {
    requireRole(caller, 'operator')
    const view = await views.get(caller, where)
    requireOwn(view)
    checkIfMatch(ifMatch, etagOf(view.record.uuid, view.record.rev))
    return view.record
  }

  async function change(
    caller: Caller,
    record: InstanceRecord,
    metadata: KeptMetadata,
    event: Writing['event'] = eventOf(record, 'instance-metadata-updated'),
  ): Promise<void> {
    checkMetadata(metadata)
    await write(caller, {
      changes: [{ change: 'put', noun: 'instance', record: { ...record, metadata } }],
      event,
      unlessBusy: [`instance:${record.uuid}`],
    })
  }

  return { get, put, patch, templates, template, putTemplate, deleteTemplate }
}

function eventOf(record: InstanceRecord, action: string) {
  return { action, source: metadataUrl(record), project: record.project }
}

/** LXD tells the template's name as a path. */
function templateEvent(record: InstanceRecord, what: 'created' | 'deleted' | 'retrieved', path: string) {
  const event = eventOf(record, `instance-metadata-template-${what}`)
  return { ...event, source: metadataUrl(record, '/templates'), context: { path } }
}

/** Its own, or what can be said of an instance whose image told nothing. */
function metadataOf({ metadata, architecture, config, created_at }: InstanceRecord): KeptMetadata {
  const creation_date = Math.floor(Date.parse(created_at) / 1000)
  const properties = imagePropertiesOf(config)
  return metadata ?? { ...NOTHING, architecture, creation_date, properties }
}

function given({ architecture, creation_date, expiry_date, properties, templates }: InstanceMetadataPut) {
  return {
    ...(architecture != null && { architecture }),
    ...(creation_date != null && { creation_date }),
    ...(expiry_date != null && { expiry_date }),
    ...(properties != null && { properties }),
    ...(templates != null && { templates: rulesOf(templates) }),
  }
}

function rulesOf(templates: NonNullable<InstanceMetadataPut['templates']>): Record<string, TemplateRule> {
  const rules = Object.entries(templates).map(([path, rule]): [string, TemplateRule] => [
    path,
    {
      when: rule.when ?? [],
      create_only: rule.create_only ?? false,
      template: rule.template ?? '',
      properties: rule.properties ?? {},
    },
  ])
  return Object.fromEntries(rules)
}
