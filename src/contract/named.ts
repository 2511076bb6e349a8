import { Type, type Static, type TOptional, type TNull, type TSchema, type TUnion, type TUnsafe } from 'typebox'

const components = new Map<string, TSchema>()

/** A schema with a name of its own among the components of the OpenAPI document. Where another schema needs it, use `ref`. */
export function named<S extends TSchema>(name: string, schema: S): S {
  const whole = { ...schema, $id: name }
  components.set(name, whole)
  return whole
}

/** Every named schema of the modules that are loaded, by name. */
export function namedSchemas(): ReadonlyMap<string, TSchema> {
  return components
}

/** Points at a named schema instead of repeating it. */
export function ref<S extends TSchema>(schema: S): TUnsafe<Static<S>> {
  const { $id }: { $id?: unknown } = schema
  if (typeof $id !== 'string') throw new Error('Only a named schema can be referred to')
  return Type.Unsafe<Static<S>>({ $ref: `${$id}#` })
}

/** A field of a request body: Go's decoder takes a missing one and null alike, so clients send either. */
export function maybe<S extends TSchema>(schema: S): TOptional<TUnion<[S, TNull]>> {
  return Type.Optional(Type.Union([schema, Type.Null()]))
}

/** A field of an answer that is null where there is nothing to say. */
export function nullable<S extends TSchema>(schema: S): TUnion<[S, TNull]> {
  return Type.Union([schema, Type.Null()])
}
