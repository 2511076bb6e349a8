/** Tokens: who may use the HTTP listener. Only a hash of the secret is ever kept. */
import { createHash, randomBytes } from 'node:crypto'
import { NEVER, type Role } from '../contract/common.ts'
import type { TokenRecord } from '../contract/records.ts'
import type { NewToken, Token, TokensPost } from '../contract/token.ts'
import { badRequest, forbidden, notFound } from '../core/failure.ts'
import type { Clock, RecordChange, RecordStore } from '../core/ports.ts'
import { isSameText } from '../core/same-text.ts'
import { parseExpiry } from '../core/times.ts'
import { keptAnswer, requireRole, SERVER, type Caller } from './caller.ts'
import type { Guesses } from './guesses.ts'
import { toRefusal } from './operations.ts'

export interface TokensDeps {
  /** Of wrong secrets. */
  guesses: Guesses
  records: RecordStore
  clock: Clock
}

export type Tokens = ReturnType<typeof createTokens>

/** Shortest secret that may be chosen instead of a generated one. */
const SHORTEST = 16
/** Longest secret that may be chosen; characters. */
const LONGEST = 1024

export function createTokens(deps: TokensDeps) {
  const { records, clock, guesses } = deps
  /** Hash → uuid, so that a request costs one look-up by uuid; what the record says is what counts. */
  const known = new Map<string, string>()

  /**
   * The token's record while it is valid: known, not revoked, not expired. Where too many wrong ones came from, only those
   * that were used before are looked at.
   */
  async function authenticate(secret: string, from: string): Promise<TokenRecord | undefined> {
    const hash = hashOf(secret)
    const uuid = known.get(hash)
    if (uuid === undefined) guesses.check(from)
    const record = (uuid !== undefined && (await records.get('token', uuid))) || (await findByHash(hash))
    if (record === undefined || !isSameText(record.hash, hash)) {
      known.delete(hash)
      guesses.wrong(from)
      return undefined
    }
    known.set(hash, record.uuid)
    return isExpired(record, clock.now()) ? undefined : record
  }

  async function findByHash(hash: string): Promise<TokenRecord | undefined> {
    const tokens = await records.list('token')
    return tokens.find((token) => isSameText(token.hash, hash))
  }

  async function list(caller: Caller): Promise<Token[]> {
    requireRole(caller, 'admin')
    return (await records.list('token')).filter((token) => isWithin(caller, token.projects)).map(toToken)
  }

  async function get(caller: Caller, name: string): Promise<Token> {
    return toToken(await load(caller, name))
  }

  /** Makes a token; its secret is in the answer and nowhere else. `keep` adds what a repeat of the request is answered. */
  async function create(caller: Caller, body: TokensPost, keep: (token: NewToken) => Caller): Promise<NewToken> {
    requireRole(caller, 'admin')
    const secret = `wl_${randomBytes(32).toString('base64url')}`
    const record = toRecord(body, secret)
    // What its maker may not enter, the token may not either.
    if (!isWithin(caller, record.projects))
      throw forbidden('not authorized: the token would reach further than its maker')
    const token = { ...toToken(record), token: secret }
    await write(keep(token), [{ change: 'put', noun: 'token', record }], `Token "${record.name}" already exists`)
    return token
  }

  async function remove(caller: Caller, name: string): Promise<void> {
    const { uuid, rev } = await load(caller, name)
    await write(caller, [{ change: 'remove', noun: 'token', uuid, rev }], '')
  }

  /** Makes `secret` valid under `name`, whatever was valid under that name before: the admin token of a first start. */
  async function adopt(name: string, secret: string, role: Role): Promise<void> {
    if (secret.length < SHORTEST) throw badRequest(`A token has ${SHORTEST} characters or more`)
    const present = await records.find('token', '', name)
    if (present !== undefined && isSameText(present.hash, hashOf(secret)) && present.role === role) return
    const record = toRecord({ name, role }, secret)
    const kept = present === undefined ? {} : { uuid: present.uuid, rev: present.rev, created_at: present.created_at }
    await write(SERVER, [{ change: 'put', noun: 'token', record: { ...record, ...kept } }], '')
  }

  /**
   * Makes a secret of the caller's choice, of any length, valid for what an operator may. One that is valid already
   * stays what it is.
   */
  async function admit(caller: Caller, secret: string, description: string): Promise<void> {
    requireRole(caller, 'operator')
    if (secret === '' || secret.length > LONGEST) throw badRequest(`A token has 1 to ${LONGEST} characters`)
    if ((await findByHash(hashOf(secret))) !== undefined) return changeNothing(caller)
    const name = `added-${clock.uuid()}`
    const record = toRecord({ name, role: 'operator', projects: caller.projects, description }, secret)
    await write(caller, [{ change: 'put', noun: 'token', record }], `Token "${name}" already exists`)
  }

  /**
   * Revokes the token with this secret, unless it may more than the caller; or several, for it may have been admitted twice
   * at once. One that is not known is no error.
   */
  async function revoke(caller: Caller, secret: string): Promise<void> {
    requireRole(caller, 'operator')
    const hash = hashOf(secret)
    const tokens = (await records.list('token')).filter((token) => isSameText(token.hash, hash))
    for (const { role, projects } of tokens) {
      requireRole(caller, role)
      if (!isWithin(caller, projects)) throw forbidden('not authorized: the token reaches further than its revoker')
    }
    if (tokens.length === 0) return changeNothing(caller)
    await write(
      caller,
      tokens.map(({ uuid, rev }) => ({ change: 'remove', noun: 'token', uuid, rev })),
      '',
    )
  }

  /** Keeps the answer; while Redis is away nobody can say that there is nothing to do. */
  function changeNothing(caller: Caller): Promise<void> {
    return write(caller, [], '')
  }

  async function load(caller: Caller, name: string): Promise<TokenRecord> {
    requireRole(caller, 'admin')
    const record = await records.find('token', '', name)
    if (record === undefined || !isWithin(caller, record.projects)) throw notFound('Token not found')
    return record
  }

  async function write(caller: Caller, changes: RecordChange[], taken: string): Promise<void> {
    const written = await records.write({ changes, idempotency: keptAnswer(caller), at: clock.now() })
    if (written.outcome !== 'written') throw toRefusal(written, taken)
  }

  function toRecord(body: TokensPost, secret: string): TokenRecord {
    const name = body.name ?? ''
    if (!/^[A-Za-z0-9][-A-Za-z0-9_.@]{0,62}$/.test(name))
      throw badRequest('Invalid token name: 1 to 63 letters, digits and "-_.@", a letter or digit first')
    return {
      v: 1,
      rev: 0,
      uuid: clock.uuid(),
      project: '',
      name,
      hash: hashOf(secret),
      role: body.role ?? 'viewer',
      projects: body.projects ?? null,
      description: body.description ?? '',
      created_at: new Date(clock.now()).toISOString(),
      expires_at: parseExpiry(body.expires_at),
    }
  }

  return { authenticate, list, get, create, remove, adopt, admit, revoke }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

function isExpired(record: TokenRecord, now: number): boolean {
  return record.expires_at !== NEVER && Date.parse(record.expires_at) <= now
}

function isWithin(caller: Caller, projects: string[] | null): boolean {
  if (caller.projects === null) return true
  return projects !== null && projects.every((project) => caller.projects?.includes(project))
}

function toToken(record: TokenRecord): Token {
  const { name, role, projects, description, created_at, expires_at } = record
  return { name, role, projects, description, created_at, expires_at }
}
