/** Client certificates: who may use the HTTPS listener without a token. */
import { createHash, X509Certificate } from 'node:crypto'
import type { Certificate, CertificatePut, CertificatesPost } from '../contract/certificate.ts'
import type { Requestor } from '../contract/common.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { CertificateRecord } from '../contract/records.ts'
import { checkIfMatch, etagOf } from '../core/etag.ts'
import { badRequest, forbidden, notFound } from '../core/failure.ts'
import { RESERVED_PROJECT } from '../core/names.ts'
import type { Clock, RecordReader } from '../core/ports.ts'
import { isServerAdmin, requireServer, type Caller } from './caller.ts'
import { TRUSTED_ALREADY, type Grant, type Trust } from './trust.ts'
import type { Write } from './writes.ts'

export interface CertificatesDeps {
  records: RecordReader
  write: Write
  clock: Clock
  trust: Pick<Trust, 'invite' | 'admit' | 'redeem'>
}

/** A client's certificate, read. */
export interface ClientCertificate {
  pem: string
  fingerprint: string
  /** Its common name, or ''. */
  name: string
  validFrom: Date
  validTo: Date
}

export type Certificates = ReturnType<typeof createCertificates>

export function createCertificates({ records, write, clock, trust }: CertificatesDeps) {
  /** The record of a certificate that is trusted, while it is valid. Its holder has proven that it has the key. */
  async function authenticate(fingerprint: string): Promise<CertificateRecord | undefined> {
    const record = await records.find('certificate', '', fingerprint)
    if (record === undefined) return undefined
    const now = clock.now()
    return Date.parse(record.valid_from) <= now && now <= Date.parse(record.valid_to) ? record : undefined
  }

  /** All of them for an admin of the server, one's own for everyone else. */
  async function list(caller: Caller): Promise<CertificateRecord[]> {
    return (await records.list('certificate')).filter((record) => maySee(caller, record))
  }

  /** By fingerprint, whole or the beginning of just one. */
  async function get(caller: Caller, fingerprint: string): Promise<CertificateRecord> {
    const matching = (await list(caller)).filter(({ name }) => name.startsWith(fingerprint.toLowerCase()))
    if (matching.length > 1) throw badRequest('More than one certificate matches')
    const [only] = matching
    if (only === undefined || fingerprint === '') throw notFound('Certificate not found')
    return only
  }

  /** A trust token for whoever will show it. */
  async function invite(caller: Caller, body: CertificatesPost): Promise<OperationRecord> {
    requireServer(caller)
    requireClient(body)
    if (body.certificate) throw badRequest('A trust token is for a client whose certificate is not known yet')
    return trust.invite(caller, await toGrant(body))
  }

  /** Trusts a certificate: an admin's word, or a stranger's own with a trust token or the trust password. */
  async function add(caller: Caller | undefined, body: CertificatesPost, shown: Shown): Promise<void> {
    requireClient(body)
    const { client } = shown
    if (caller !== undefined && !body.certificate && isOwn(caller, client.fingerprint))
      throw badRequest('Client is already trusted')
    if (caller === undefined) return admit(body, shown)
    if (!isServerAdmin(caller)) throw forbidden('not authorized')
    await put(caller, 'certificate-created', toRecord(client, { ...(await toGrant(body)), name: nameOf(body, shown) }))
  }

  async function admit(body: CertificatesPost, shown: Shown): Promise<void> {
    const { client, from } = shown
    const admission = await trust.admit(body.password ?? '', from)
    const requestor: Requestor = { username: client.fingerprint, protocol: 'tls', address: from }
    const grant = admission.by === 'token' ? admission.grant : await toGrant(body)
    const record = toRecord(client, { ...grant, name: grant.name || nameOf(body, shown) })
    if (admission.by === 'token')
      return trust.redeem(admission.token, record, {
        ...toEvent('certificate-created', record),
        context: {},
        requestor,
      })
    const { role, projects } = record
    await put({ requestor, role, projects }, 'certificate-created', record)
  }

  /** `PUT`. The certificate itself and the role stay where they are not given. */
  async function update(caller: Caller, fingerprint: string, body: CertificatePut, ifMatch?: string): Promise<void> {
    await change(caller, fingerprint, ifMatch, () => body)
  }

  /** `PATCH`: what is given. */
  async function patch(caller: Caller, fingerprint: string, body: CertificatePut, ifMatch?: string): Promise<void> {
    await change(caller, fingerprint, ifMatch, ({ label, projects }) => ({
      ...body,
      name: body.name ?? label,
      restricted: body.restricted ?? projects !== null,
      projects: body.projects ?? projects,
    }))
  }

  async function change(
    caller: Caller,
    fingerprint: string,
    ifMatch: string | undefined,
    wanted: (record: CertificateRecord) => CertificatePut,
  ): Promise<void> {
    requireServer(caller)
    const record = await get(caller, fingerprint)
    checkIfMatch(ifMatch, etagOf(record.uuid, record.rev))
    const body = wanted(record)
    requireClient(body)
    const isAsBound = (body.restricted ?? false) === (record.projects !== null)
    const grant = await toGrant({ ...body, role: body.role ?? (isAsBound ? record.role : null) })
    const client = body.certificate ? readClientCertificate(body.certificate, undefined) : undefined
    const next = client === undefined ? record : { ...record, ...ofClient(client) }
    const { role, projects } = grant
    await put(caller, 'certificate-updated', { ...next, role, projects, label: grant.name })
  }

  async function remove(caller: Caller, fingerprint: string): Promise<void> {
    requireServer(caller)
    const record = await get(caller, fingerprint)
    const { uuid, rev } = record
    await write(caller, {
      changes: [{ change: 'remove', noun: 'certificate', uuid, rev }],
      event: toEvent('certificate-deleted', record),
    })
  }

  async function put(caller: Caller, action: string, record: CertificateRecord): Promise<void> {
    await write(caller, {
      changes: [{ change: 'put', noun: 'certificate', record }],
      event: toEvent(action, record),
      taken: TRUSTED_ALREADY,
    })
  }

  async function toGrant(body: CertificatePut): Promise<Grant> {
    const projects = body.restricted === true ? (body.projects ?? []) : null
    for (const project of projects ?? [])
      if (project !== RESERVED_PROJECT && (await records.find('project', '', project)) === undefined)
        throw badRequest(`There is no project "${project}"`)
    return { name: labelOf(body.name ?? ''), role: body.role ?? (projects === null ? 'admin' : 'operator'), projects }
  }

  function toRecord(client: ClientCertificate, { name, role, projects }: Grant): CertificateRecord {
    const at = new Date(clock.now()).toISOString()
    return {
      v: 1,
      rev: 0,
      uuid: clock.uuid(),
      project: '',
      ...ofClient(client),
      label: name,
      role,
      projects,
      created_at: at,
    }
  }

  return { authenticate, list, get, invite, add, update, patch, remove }
}

/** A certificate to be trusted, and where the request comes from. */
export interface Shown {
  client: ClientCertificate
  from: string
}

/** Reads what a request gives (PEM, or its Base64 alone), else what its connection has shown (DER). Throws bad-request. */
export function readClientCertificate(given: string | null | undefined, shown: Buffer | undefined): ClientCertificate {
  const source = given ? toBytes(given) : shown
  if (source === undefined)
    throw badRequest('No certificate: give one, or connect to the HTTPS listener with a client certificate')
  try {
    const read = new X509Certificate(source)
    const fingerprint = createHash('sha256').update(read.raw).digest('hex')
    const name = /^CN=(.*)$/m.exec(read.subject)?.[1] ?? ''
    return { pem: read.toString(), fingerprint, name, validFrom: read.validFromDate, validTo: read.validToDate }
  } catch {
    throw badRequest('Invalid certificate: an X.509 certificate is wanted, as PEM or as the Base64 of its DER')
  }
}

/** As clients read it. */
export function toCertificate({ name, label, certificate, role, projects }: CertificateRecord): Certificate {
  return {
    name: label,
    type: 'client',
    restricted: projects !== null,
    projects: projects ?? [],
    certificate,
    fingerprint: name,
    role,
  }
}

export function certificateUrl(fingerprint: string): string {
  return `/1.0/certificates/${fingerprint}`
}

function toBytes(given: string): Buffer {
  return given.includes('-----BEGIN') ? Buffer.from(given) : Buffer.from(given, 'base64')
}

function ofClient({ pem, fingerprint, validFrom, validTo }: ClientCertificate) {
  return {
    name: fingerprint,
    certificate: pem,
    valid_from: validFrom.toISOString(),
    valid_to: validTo.toISOString(),
  }
}

function nameOf({ name }: CertificatesPost, { client, from }: Shown): string {
  return labelOf(name || client.name.slice(0, LONGEST_LABEL) || from)
}

const LONGEST_LABEL = 255

function labelOf(name: string): string {
  if (name.length > LONGEST_LABEL || /\p{Cc}/u.test(name))
    throw badRequest(`Invalid certificate name: at most ${LONGEST_LABEL} characters, none of them a control character`)
  return name
}

function requireClient({ type }: CertificatePut): void {
  if (type && type !== 'client') throw badRequest(`Certificates of type "${type}" are not taken, only of type "client"`)
}

function maySee(caller: Caller, { name }: CertificateRecord): boolean {
  return isServerAdmin(caller) || isOwn(caller, name)
}

function isOwn({ requestor }: Caller, fingerprint: string): boolean {
  return requestor.protocol === 'tls' && requestor.username === fingerprint
}

/** Of no project: who is trusted is nothing for those who are bound to some. */
function toEvent(action: string, { name }: CertificateRecord) {
  return { action, source: certificateUrl(name), project: '' }
}
