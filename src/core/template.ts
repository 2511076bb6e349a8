/**
 * The part of the template language of LXD's images (pongo2, after Django) that such images use: `{{ value }}` with
 * `config_get(key, default)`, filters, `{% if %}`, comments. Written by strangers, so it only ever makes text.
 */
import { badRequest } from './failure.ts'

export type Value = string | boolean | { readonly [key: string]: Value }

export interface Scope {
  /** What a template may name. */
  values: { readonly [key: string]: Value }
  /** `config_get`. */
  config(key: string): string | undefined
}

type Token = { type: 'text' | 'value' | 'tag'; body: string }
type Mark = { opens: string; closes: string; type: 'value' | 'tag' | 'comment' }

const MARKS: readonly Mark[] = [
  { opens: '{{', closes: '}}', type: 'value' },
  { opens: '{%', closes: '%}', type: 'tag' },
  { opens: '{#', closes: '#}', type: 'comment' },
]
const WORD = /\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|==|!=|\|\||&&|[A-Za-z_][\w.-]*|-?\d+|[(),|!:])/gy

/** The text a template makes. Bad-request for what is no template, or uses more of the language. */
export function renderTemplate(template: string, scope: Scope): string {
  const tokens = tokensOf(template)
  const rest = { tokens, at: 0 }
  const text = renderUntil(rest, scope, [])
  if (rest.at < tokens.length) throw fault(`unexpected {% ${rest.tokens[rest.at]?.body} %}`)
  return text
}

function fault(why: string): Error {
  return badRequest(`The template cannot be used: ${why}`)
}

/** In one pass: what is never closed is text, and is looked for only once. */
function tokensOf(template: string): Token[] {
  const tokens: Token[] = []
  const unclosed = new Set<Mark>()
  let from = 0
  for (let at = template.indexOf('{'); at >= 0; at = template.indexOf('{', at)) {
    const mark = MARKS.find(({ opens }) => template.startsWith(opens, at))
    const end = mark === undefined || unclosed.has(mark) ? -1 : template.indexOf(mark.closes, at + 2)
    if (mark === undefined || end < 0) {
      if (mark !== undefined) unclosed.add(mark)
      at += 1
      continue
    }
    tokens.push({ type: 'text', body: template.slice(from, at) })
    const body = template
      .slice(at + 2, end)
      .replace(/^-/, '')
      .replace(/-$/, '')
      .trim()
    if (mark.type !== 'comment') tokens.push({ type: mark.type, body })
    at = from = end + 2
  }
  return [...tokens, { type: 'text', body: template.slice(from) }]
}

interface Rest {
  tokens: Token[]
  at: number
}

/** Up to a tag of one of these names, at which it stops. */
function renderUntil(rest: Rest, scope: Scope, ends: readonly string[]): string {
  let text = ''
  for (;;) {
    const token = rest.tokens[rest.at]
    if (token === undefined) return text
    if (token.type === 'tag') {
      const name = token.body.split(/\s/, 1)[0] ?? ''
      if (ends.includes(name)) return text
      if (name !== 'if') throw fault(`{% ${name} %} is not known`)
      text += renderIf(rest, scope)
      continue
    }
    rest.at += 1
    text += token.type === 'text' ? token.body : toText(evaluate(token.body, scope))
  }
}

const BRANCHES = ['elif', 'else', 'endif']

/** Every branch is read, so that a fault in any of them is found; one is kept. */
function renderIf(rest: Rest, scope: Scope): string {
  let chosen: string | undefined
  for (;;) {
    const tag = rest.tokens[rest.at]?.body ?? ''
    const name = tag.split(/\s/, 1)[0] ?? ''
    rest.at += 1
    if (name === 'endif') return chosen ?? ''
    const holds = name === 'else' || isTrue(evaluate(tag.slice(name.length), scope))
    const text = renderUntil(rest, scope, BRANCHES)
    if (rest.at >= rest.tokens.length) throw fault('{% endif %} is missing')
    if (holds) chosen ??= text
  }
}

/** One expression. `or` binds weakest, then `and`, `not`, comparison. */
function evaluate(source: string, scope: Scope): Value {
  const words = [...source.matchAll(WORD)]
  const length = words.reduce((sum, [whole]) => sum + whole.length, 0)
  if (words.length === 0 || length !== source.trimEnd().length) throw fault(`"${source.slice(0, 100)}" cannot be read`)
  const reader = new Reader(
    words.map((match) => match[1] ?? ''),
    scope,
  )
  const value = reader.or()
  if (!reader.isDone()) throw fault(`"${source.slice(0, 100)}" cannot be read`)
  return value
}

class Reader {
  readonly #words: string[]
  readonly #scope: Scope
  #at = 0

  constructor(words: string[], scope: Scope) {
    this.#words = words
    this.#scope = scope
  }

  isDone(): boolean {
    return this.#at === this.#words.length
  }

  or(): Value {
    let value = this.#and()
    while (this.#takes('or', '||')) {
      const other = this.#and()
      value = isTrue(value) || isTrue(other)
    }
    return value
  }

  #and(): Value {
    let value = this.#not()
    while (this.#takes('and', '&&')) {
      const other = this.#not()
      value = isTrue(value) && isTrue(other)
    }
    return value
  }

  #not(): Value {
    return this.#takes('not', '!') ? !isTrue(this.#not()) : this.#compared()
  }

  #compared(): Value {
    const value = this.#filtered()
    if (this.#takes('==')) return toText(value) === toText(this.#filtered())
    if (this.#takes('!=')) return toText(value) !== toText(this.#filtered())
    return value
  }

  #filtered(): Value {
    let value = this.#plain()
    while (this.#takes('|')) {
      const name = this.#next()
      const argument = this.#takes(':') ? toText(this.#plain()) : ''
      value = filtered(name, value, argument)
    }
    return value
  }

  #plain(): Value {
    const word = this.#next()
    if (word === '(') {
      const value = this.or()
      this.#expect(')')
      return value
    }
    if (/^["']/.test(word)) return word.slice(1, -1).replace(/\\(.)/g, '$1')
    if (/^-?\d/.test(word)) return word
    if (word === 'true' || word === 'True') return true
    if (word === 'false' || word === 'False') return false
    return word === 'config_get' ? this.#configGet() : valueAt(word, this.#scope)
  }

  #configGet(): Value {
    this.#expect('(')
    const key = toText(this.or())
    const usual = this.#takes(',') ? this.or() : ''
    this.#expect(')')
    return this.#scope.config(key) ?? usual
  }

  #next(): string {
    const word = this.#words[this.#at++]
    if (word === undefined || !/^["'\w(-]/.test(word)) throw fault('an expression is not whole')
    return word
  }

  #takes(...words: string[]): boolean {
    const isThere = words.includes(this.#words[this.#at] ?? '')
    if (isThere) this.#at += 1
    return isThere
  }

  #expect(word: string): void {
    if (!this.#takes(word)) throw fault(`"${word}" is missing`)
  }
}

function filtered(name: string, value: Value, argument: string): Value {
  switch (name) {
    case 'default':
      return isTrue(value) ? value : argument
    case 'lower':
      return toText(value).toLowerCase()
    case 'upper':
      return toText(value).toUpperCase()
    case 'safe':
      return value
    default:
      throw fault(`the filter "${name}" is not known`)
  }
}

/** What is not there is nothing, as in pongo2. A key may have dots in it itself. */
function valueAt(path: string, scope: Scope): Value {
  let value: Value = scope.values
  for (const [at, part] of path.split('.').entries()) {
    if (typeof value !== 'object') return ''
    const whole = path.split('.').slice(at).join('.')
    if (Object.hasOwn(value, whole)) return value[whole] ?? ''
    value = Object.hasOwn(value, part) ? (value[part] ?? '') : ''
  }
  return value
}

function isTrue(value: Value): boolean {
  return typeof value === 'object' ? Object.keys(value).length > 0 : value !== '' && value !== false
}

function toText(value: Value): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return typeof value === 'object' ? '' : value
}
