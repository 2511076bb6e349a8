import { namedSchemas } from '../contract/named.ts'

/** The parts of JSON Schema that an example is made from. */
interface Shape {
  $ref?: string
  const?: unknown
  enum?: unknown[]
  examples?: unknown[]
  anyOf?: Shape[]
  allOf?: Shape[]
  type?: string
  properties?: Record<string, Shape>
  items?: Shape
  minimum?: number
}

/** An example of what a schema describes: its own where it has one, else put together from its parts. */
export function exampleOf(schema: object): unknown {
  const shape: Shape = schema
  if (shape.examples !== undefined) return shape.examples[0]
  if (shape.$ref !== undefined) return exampleOf(namedSchemas().get(shape.$ref.replace(/#$/, '')) ?? {})
  if ('const' in shape) return shape.const
  if (shape.enum !== undefined) return shape.enum[0]
  if (shape.anyOf !== undefined) return exampleOf(shape.anyOf[0] ?? {})
  if (shape.allOf !== undefined) return Object.assign({}, ...shape.allOf.map(exampleOf))
  return ofType(shape)
}

function ofType(shape: Shape): unknown {
  if (shape.type === 'object') return mapValues(shape.properties ?? {}, exampleOf)
  if (shape.type === 'array') return shape.items === undefined ? [] : [exampleOf(shape.items)]
  if (shape.type === 'integer' || shape.type === 'number') return shape.minimum ?? 0
  if (shape.type === 'boolean') return false
  return shape.type === 'string' ? '' : null
}

function mapValues(properties: Record<string, Shape>, make: (part: Shape) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, make(part)]))
}
