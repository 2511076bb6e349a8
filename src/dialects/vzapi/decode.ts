/** Bodies as the original's decoder reads them, with its words for what is wrong. */
import { badRequest } from '../../core/failure.ts'
import type { Creation } from './wire.ts'

type Body = Record<string, unknown>

/** `null` is an object without fields. */
function objectOf(body: unknown, type: string): Body {
  if (body === undefined) throw badRequest('EOF')
  if (body === null) return {}
  if (typeof body !== 'object' || Array.isArray(body))
    throw badRequest(`json: cannot unmarshal ${typeName(body)} into Go value of type api.${type}`)
  return body as Body // checked: an object
}

function textOf(value: unknown, field: string): string {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return ''
  throw badRequest(`json: cannot unmarshal ${typeName(value)} into Go struct field ${field} of type string`)
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

export function decodeCreation(body: unknown): Creation {
  const given = objectOf(body, 'AddContainerRequest')
  const name = textOf(given['name'], 'AddContainerRequest.name')
  const ostemplate = textOf(given['ostemplate'], 'AddContainerRequest.ostemplate')
  if (name === '') throw badRequest('name is missing or empty')
  if (ostemplate === '') throw badRequest('ostemplate is missing or empty')
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (name.length > 64 || /[\u0000-\u001f\u007f/]/.test(name))
    throw badRequest('name is wrong: 1 to 64 characters, no slashes or control characters')
  return { name, ostemplate }
}

const FIELD = 'UpdateContainerRequest.parameters'
const MOST = 64
const LONGEST = 4096

export function decodeParameters(body: unknown): Record<string, string> {
  const { parameters } = objectOf(body, 'UpdateContainerRequest')
  if (parameters === undefined || parameters === null) throw badRequest('parameters is missing or empty')
  if (typeof parameters !== 'object' || Array.isArray(parameters))
    throw badRequest(
      `json: cannot unmarshal ${typeName(parameters)} into Go struct field ${FIELD} of type map[string]string`,
    )
  const pairs = Object.entries(parameters).map(([key, value]) => [key, textOf(value, FIELD)] as const)
  if (pairs.length > MOST || pairs.some(([key, value]) => key.length > LONGEST || value.length > LONGEST))
    throw badRequest(`parameters are too many or too long: ${MOST} of ${LONGEST} characters at most`)
  return Object.fromEntries(pairs)
}
