/** Our views in the words of the original. */
import type { OperationRecord } from '../../contract/operation-record.ts'
import { isForeign } from '../../core/foreign.ts'
import { uuidOf } from '../../core/identity.ts'
import type { Listed } from '../../services/directory.ts'
import { notAppliedOf, PARAMETERS, readJson, TEMPLATE, type Parameters } from './parameters.ts'
import type { Container, Job } from './wire.ts'

export function toContainer({ uuid, nickname, view, where }: Listed): Container {
  const { config, image, description, created_at } = view.record
  const text = config[PARAMETERS] ?? ''
  const notApplied = notAppliedOf(config)
  return {
    id: uuid,
    name: nickname,
    instance: where.name,
    // Of a container made by others the description says what the engine calls its image.
    ostemplate: config[TEMPLATE] ?? (isForeign(where) ? description : image),
    parameters: readParameters(text),
    ParametersJSON: { String: text, Valid: text !== '' },
    ...(notApplied.length > 0 && { not_applied: notApplied }),
    created_at: created_at.replace(/\.\d+Z$/, 'Z'),
  }
}

function readParameters(text: string): Parameters | null {
  const parameters = readJson(text)
  return typeof parameters === 'object' && parameters !== null ? (parameters as Parameters) : null // as a PATCH left it
}

const STATUSES = {
  pending: 'pending',
  running: 'pending',
  success: 'done',
  failure: 'failed',
  cancelled: 'failed',
} as const

export function toJob({ state, entity }: OperationRecord): Job {
  const status = STATUSES[state]
  if (status !== 'done') return { message: 'success', status }
  const isContainer = entity.type === 'instance'
  return {
    message: 'success',
    status,
    entity_type: isContainer ? 'container' : entity.type,
    entity_id: isContainer ? uuidOf(entity.id) : entity.id,
  }
}
