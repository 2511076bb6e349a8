/** Trust tokens and the trust password: how a client whose certificate nobody knows becomes one that is trusted. */
import { createHash, randomBytes } from 'node:crypto'
import { NEVER } from '../contract/common.ts'
import type { CertificateRecord } from '../contract/records.ts'
import type { Lifecycle, OperationRecord } from '../contract/operation-record.ts'
import { badRequest, conflict, forbidden } from '../core/failure.ts'
import { isFinal, NOTHING_MORE } from '../core/operation-states.ts'
import type { Clock, OperationStore, RecordReader } from '../core/ports.ts'
import { expiryAfter } from '../core/times.ts'
import type { InputOf, Kind } from '../operations/catalog.ts'
import { requireServer, SERVER, type Caller } from './caller.ts'
import type { Guesses } from './guesses.ts'
import type { HttpsFacts } from './https-facts.ts'
import type { Operations } from './operations.ts'
import { TOKEN_EXPIRY, TRUST_PASSWORD } from './server-config.ts'
import { isPassword } from './trust-password.ts'
import { unfinishedOf } from './unfinished.ts'

export interface TrustDeps {
  operations: Pick<Operations, 'submit'>
  store: Pick<OperationStore, 'busy' | 'get' | 'recent' | 'cancel' | 'raiseEpoch' | 'end'>
  records: Pick<RecordReader, 'find'>
  clock: Clock
  /** Of wrong passwords, and of wrong trust tokens. */
  guesses: { passwords: Guesses; tokens: Guesses }
  https: () => HttpsFacts | undefined
  member: string
}

/** What a certificate is to be allowed, and how it is called. */
export interface Grant {
  name: string
  role: CertificateRecord['role']
  /** null: every project. */
  projects: string[] | null
}

/** Why a stranger is let in: by a trust token, which is to be used up, or by the trust password. */
export type Admission = { by: 'token'; grant: Grant; token: OperationRecord } | { by: 'password' }

export type Trust = ReturnType<typeof createTrust>

type Invite = InputOf<'certificate.invite'>

/** Milliseconds between two looks for trust tokens that have expired. */
const EXPIRE_EVERY = 60_000
/** Each has its `expires_at`. */
const TOKENS: ReadonlySet<string> = new Set<Kind>(['certificate.invite', 'image.share', 'image.await'])
const NOT_AUTHORIZED = 'not authorized'

export function createTrust(deps: TrustDeps) {
  const { operations, store, records, clock, guesses, https } = deps
  let looked = 0

  /** A trust token: an operation that waits for whoever shows its secret. Cancelling it revokes it. */
  async function invite(caller: Caller, grant: Grant): Promise<OperationRecord> {
    requireServer(caller)
    const facts = https()
    if (facts === undefined)
      throw badRequest('There is no HTTPS listener that a trust token could be used at: set WINDLASS_HTTPS')
    const secret = randomBytes(32).toString('hex')
    const expiresAt = expiryAfter(new Date(clock.now()), (await setting(TOKEN_EXPIRY)) ?? '')
    return operations.submit(caller, {
      kind: 'certificate.invite',
      input: { ...grant, expires_at: expiresAt },
      project: 'default',
      member: deps.member,
      entity: { id: '', name: grant.name, url: '/1.0/certificates' },
      resources: null,
      // By which it is found again: the store never looks for the secret itself.
      busy: [{ key: keyOf(secret), mode: 'own', action: 'token' }],
      metadata: {
        addresses: facts.addresses,
        fingerprint: facts.fingerprint,
        request: toRequest(grant),
        secret,
        ...(expiresAt !== NEVER && { expiresAt }),
      },
    })
  }

  /** Lets in a stranger who shows a trust token or the trust password; throws forbidden, and too-many for too many tries. */
  async function admit(shown: string, from: string): Promise<Admission> {
    const secret = secretIn(shown)
    if (secret !== undefined) return tried(guesses.tokens, from, () => byToken(secret))
    const hashed = await setting(TRUST_PASSWORD)
    // Nothing that could be guessed, or no guess.
    if (hashed === undefined || shown === '') throw forbidden(NOT_AUTHORIZED)
    return tried(guesses.passwords, from, async () =>
      (await isPassword(shown, hashed)) ? { by: 'password' } : undefined,
    )
  }

  async function byToken(secret: string): Promise<Admission | undefined> {
    const held = await store.busy(keyOf(secret))
    const token = held && (await store.get(held.operation))
    if (token?.kind !== 'certificate.invite' || isFinal(token.state)) return undefined
    const { expires_at: expiresAt, ...grant } = inviteOf(token)
    if (isOver(expiresAt)) throw forbidden('The trust token has expired')
    return { by: 'token', grant, token }
  }

  /** Uses up a trust token and trusts the certificate, in one write: of two who show it at once one is let in. */
  async function redeem({ id, metadata }: OperationRecord, record: CertificateRecord, event: Lifecycle): Promise<void> {
    const hold = await store.raiseEpoch(id, clock.now())
    if (hold === undefined) throw forbidden(NOT_AUTHORIZED)
    const { secret: _secret, ...shown } = metadata ?? {}
    const ended = await store.end(hold, {
      ...NOTHING_MORE,
      state: 'success',
      err: '',
      code: '',
      metadata: { ...shown, certificate: record.name },
      changes: [{ change: 'put', noun: 'certificate', record }],
      lifecycle: [event],
      at: clock.now(),
    })
    if (ended === 'changed') throw conflict(TRUSTED_ALREADY)
    if (ended !== 'ended') throw forbidden(NOT_AUTHORIZED)
  }

  /** Revokes the tokens that have expired. */
  async function expire(): Promise<void> {
    if (clock.now() - looked < EXPIRE_EVERY) return
    looked = clock.now()
    const open = await unfinishedOf(store)
    const over = open.filter((one) => TOKENS.has(one.kind) && isOver(inviteOf(one).expires_at))
    await Promise.all(over.map(({ id }) => store.cancel(id, { by: SERVER.requestor, at: clock.now() })))
  }

  function isOver(expiresAt: string): boolean {
    return expiresAt !== NEVER && Date.parse(expiresAt) <= clock.now()
  }

  async function setting(key: string): Promise<string | undefined> {
    return (await records.find('server', '', 'server'))?.config[key]
  }

  return { invite, admit, redeem, expire }
}

/** LXD's words. */
export const TRUSTED_ALREADY = 'Certificate already in trust store'

async function tried(
  counted: Guesses,
  from: string,
  attempt: () => Promise<Admission | undefined>,
): Promise<Admission> {
  counted.check(from)
  const admission = await attempt()
  if (admission !== undefined) return admission
  counted.wrong(from)
  throw forbidden(NOT_AUTHORIZED)
}

function inviteOf({ input }: OperationRecord): Invite {
  return input as Invite // of this kind, and written by `invite` above
}

function keyOf(secret: string): `certificate:${string}` {
  return `certificate:${createHash('sha256').update(secret).digest('hex')}`
}

/** LXD's clients send the whole token: the Base64 of a JSON object. undefined: it is something else. */
function secretIn(shown: string): string | undefined {
  try {
    const { secret }: { secret?: unknown } = Object(JSON.parse(Buffer.from(shown, 'base64').toString()))
    return typeof secret === 'string' ? secret : undefined
  } catch {
    return undefined
  }
}

/** The request as LXD shows it in a token. */
function toRequest({ name, projects }: Grant) {
  return {
    name,
    type: 'client',
    restricted: projects !== null,
    projects: projects ?? [],
    certificate: '',
    password: '',
    token: true,
  }
}
