/** The five old APIs, by the names that settings and documents use. */
export const DIALECT_NAMES = ['hostapi', 'lwp', 'vzapi', 'vz', 'hebergos'] as const
export type DialectName = (typeof DIALECT_NAMES)[number]

/** Where a dialect is served: as it is, under a prefix, or on a port of its own. */
export interface Placement {
  name: DialectName
  /** '' or `/panel`. */
  prefix: string
  /** undefined: on the server's own listeners. */
  listen: { host: string; port: number } | undefined
}

/**
 * `hostapi,lwp=/panel,vz=127.0.0.1:8888,-hebergos`: what is not named is served as it is, `-` turns one off.
 * Throws an Error that says which part is wrong.
 */
export function parsePlacements(text: string): Placement[] {
  const placements = new Map<DialectName, Placement>(DIALECT_NAMES.map((name) => [name, at(name, '')]))
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue
    const [, off = '', word = '', where = ''] = /^(-?)([a-z]+)(?:=(.+))?$/.exec(part) ?? []
    const name = DIALECT_NAMES.find((known) => known === word)
    if (name === undefined) throw new Error(`name dialects (${DIALECT_NAMES.join(', ')}), not "${part}"`)
    if (off === '-') placements.delete(name)
    else placements.set(name, at(name, where))
  }
  return [...placements.values()]
}

function at(name: DialectName, where: string): Placement {
  if (where === '') return { name, prefix: '', listen: undefined }
  if (/^(\/[A-Za-z0-9._-]+)+$/.test(where)) return { name, prefix: checkPrefix(where), listen: undefined }
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(where) ?? []
  if (host === undefined || Number(port) > 65_535)
    throw new Error(`place ${name} under a prefix (/panel) or at host:port, not at "${where}"`)
  return { name, prefix: '', listen: { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) } }
}

/** First parts of paths that are the server's own. */
const OURS = ['1.0', 'jobs', 'healthz', 'readyz', 'docs', 'openapi', 'openapi.json']

function checkPrefix(prefix: string): string {
  const parts = prefix.split('/').slice(1)
  if (OURS.includes(parts[0] ?? '')) throw new Error(`not place a dialect under /${parts[0]}, where other things are`)
  if (parts.some((part) => /^\.\.?$/.test(part)))
    throw new Error(`name a prefix without dots for parts, not "${prefix}"`)
  return prefix
}

/** Those whose originals had no authentication. */
const OPENABLE: readonly DialectName[] = ['hostapi', 'vzapi', 'hebergos']

/** Names of dialects to open, separated by commas. Throws an Error for one that had authentication of its own. */
export function parseOpened(text: string): ReadonlySet<DialectName> {
  const words = text.split(',').map((word) => word.trim())
  const names = words
    .filter((word) => word !== '')
    .map((word) => {
      const name = OPENABLE.find((known) => known === word)
      if (name === undefined)
        throw new Error(`name dialects without authentication (${OPENABLE.join(', ')}), not "${word}"`)
      return name
    })
  return new Set(names)
}
