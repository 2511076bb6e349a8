/**
 * LXD's `filter=`: clauses `[not] field eq|ne value`, joined by `and` and `or`, which are read from left to right
 * without precedence. Any other operator acts as `eq`, as in LXD (lxd/FACTS.md, 7).
 */
import { badRequest } from './failure.ts'

type Predicate = (value: unknown) => boolean

interface Clause {
  field: string[]
  value: string
  /** `not` and `ne` each turn it round. */
  negated: boolean
  joined: 'and' | 'or'
}

interface Token {
  text: string
  quoted: boolean
}

/** Text → a predicate over a rendered object; empty text lets everything through. Throws bad-request with LXD's texts. */
export function parseFilter(text: string): Predicate {
  const clauses = toClauses(tokenize(text))
  return (value) =>
    clauses.reduce(
      (so, clause) => (clause.joined === 'and' ? so && holds(clause, value) : so || holds(clause, value)),
      true,
    )
}

// A quoted text, which may hold spaces, or anything up to the next space.
const TOKEN = /\s*(?:"([^"]*)"|'([^']*)'|(["'])|(\S+))/y

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  const trimmed = text.trimEnd()
  let position = 0
  while (position < trimmed.length) {
    TOKEN.lastIndex = position
    const match = TOKEN.exec(trimmed)
    const [whole = '', double, single, open, plain] = match ?? []
    if (whole === '' || open !== undefined) throw badRequest('Invalid filter: unterminated quote')
    tokens.push({ text: double ?? single ?? plain ?? '', quoted: plain === undefined })
    position += whole.length
  }
  return tokens
}

function toClauses(tokens: Token[]): Clause[] {
  const clauses: Clause[] = []
  let joined: Clause['joined'] = 'and'
  let rest = tokens
  while (rest.length > 0) {
    const inverted = isWord(rest[0], 'not')
    const [field, operator, value, join, ...others] = inverted ? rest.slice(1) : rest
    if (field === undefined) throw badRequest('Invalid filter: incomplete not clause')
    if (operator === undefined) throw badRequest('Invalid filter: clause has no operator')
    if (value === undefined) throw badRequest('Invalid filter: clause has no value')
    const negated = inverted !== isWord(operator, 'ne')
    clauses.push({ field: field.text.split('.'), value: value.text, negated, joined })
    if (join === undefined) break
    joined = readJoin(join)
    if (others.length === 0) throw badRequest('Invalid filter: unterminated compound clause')
    rest = others
  }
  return clauses
}

function readJoin(token: Token): Clause['joined'] {
  if (isWord(token, 'and')) return 'and'
  if (isWord(token, 'or')) return 'or'
  throw badRequest('Invalid filter: invalid clause composition')
}

function isWord(token: Token | undefined, word: string): boolean {
  return token !== undefined && !token.quoted && token.text.toLowerCase() === word
}

function holds(clause: Clause, object: unknown): boolean {
  return matches(valueAt(object, clause.field), clause.value) !== clause.negated
}

/** Case does not count; a list matches when one of its values does. */
function matches(found: unknown, wanted: string): boolean {
  if (Array.isArray(found)) return found.some((value) => matches(value, wanted))
  if (typeof found === 'string') return found.toLowerCase() === wanted.toLowerCase()
  if (typeof found === 'boolean') return String(found) === wanted.toLowerCase()
  if (typeof found === 'number') return found === Number(wanted) && wanted !== ''
  return false
}

/** `config.image.os`: config keys have dots themselves, so the longest key that is there counts. */
function valueAt(object: unknown, path: string[]): unknown {
  if (path.length === 0) return object
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return undefined
  const values = new Map(Object.entries(object))
  for (let length = path.length; length > 0; length--) {
    const key = path.slice(0, length).join('.')
    const found = values.has(key) ? valueAt(values.get(key), path.slice(length)) : undefined
    if (found !== undefined) return found
  }
  return undefined
}
