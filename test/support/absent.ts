/** A stand-in of which a test sets what it means to be used; every other use throws. */
export function absent<T extends object>(name: string, set: Partial<T> = {}): T {
  return new Proxy(set, {
    get: (target, property) => {
      if (property in target) return Reflect.get(target, property)
      return () => {
        throw new Error(`${name}.${String(property)} is not part of this test`)
      }
    },
  }) as T // what is not set throws
}
