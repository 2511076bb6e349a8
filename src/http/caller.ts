/** Who asks: the unix socket is the administrator's, everyone else shows a token or, over HTTPS, a certificate. */
import type { FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import { isCrossSite } from '../core/cross-site.ts'
import { badRequest, forbidden } from '../core/failure.ts'
import { secretOf } from '../core/secret.ts'
import { requireProject, type Caller, type Visitor } from '../services/caller.ts'
import type { Certificates } from '../services/certificates.ts'
import type { Tokens } from '../services/tokens.ts'
import { peerOf } from './peer.ts'

/** Who knows tokens and certificates. */
export interface Credentials {
  tokens: Pick<Tokens, 'authenticate'>
  certificates: Pick<Certificates, 'authenticate'>
}

const trusted = new WeakSet<Socket>()

/** Marks a connection that came over the unix socket: whoever may open that file is the administrator. */
export function trustSocket(socket: Socket): void {
  trusted.add(socket)
}

/** The caller by the connection, the bearer token or the client certificate; undefined for a stranger. */
export async function identify(request: FastifyRequest, credentials: Credentials): Promise<Caller | undefined> {
  const administrator = trustedCaller(request)
  if (administrator !== undefined) return administrator
  const isBearer = /^bearer /i.test(request.headers.authorization ?? '')
  const secret = isBearer || request.routeOptions.config.password === true ? secretOf(request) : undefined
  return secret === undefined ? callerByCertificate(request, credentials) : callerByToken(secret, request, credentials)
}

/** The administrator, where the connection came over the unix socket. */
export function trustedCaller(request: FastifyRequest): Caller | undefined {
  if (!trusted.has(request.raw.socket)) return undefined
  return { requestor: { username: 'root', protocol: 'unix', address: '@' }, role: 'admin', projects: null }
}

/** Whose token this is. */
export async function callerByToken(
  secret: string,
  request: FastifyRequest,
  { tokens }: Pick<Credentials, 'tokens'>,
): Promise<Caller | undefined> {
  const record = await tokens.authenticate(secret, request.ip)
  if (record === undefined) return undefined
  return {
    requestor: { username: record.name, protocol: 'token', address: request.ip },
    role: record.role,
    projects: record.projects,
  }
}

/** Whose certificate the connection has shown, if it is trusted. */
export async function callerByCertificate(
  request: FastifyRequest,
  { certificates }: Pick<Credentials, 'certificates'>,
): Promise<Caller | undefined> {
  const shown = isCrossSite(request) ? undefined : peerOf(request.raw.socket)?.certificate
  const record = shown && (await certificates.authenticate(shown.fingerprint))
  if (record === undefined) return undefined
  return {
    requestor: { username: record.name, protocol: 'tls', address: request.ip },
    role: record.role,
    projects: record.projects,
  }
}

/** The caller of a route that is not open. */
export function callerOf({ visitor }: { visitor: Caller | undefined }): Caller {
  if (visitor === undefined) throw forbidden('not authorized')
  return visitor
}

interface ProjectQuery {
  project?: string | undefined
  'all-projects'?: string | undefined
}

/** The project of a request about one object. One that the caller may not enter does not exist. */
export function projectOf(request: { query: ProjectQuery; visitor: Caller | undefined }): string {
  const project = request.query.project || 'default'
  requireProject(callerOf(request), project)
  return project
}

/** The same where strangers are answered: they enter nowhere, and see what is public anywhere. */
export function visitedProject(request: { query: ProjectQuery; visitor: Visitor }): string {
  return request.visitor === undefined ? request.query.project || 'default' : projectOf(request)
}

/** The project of a list; undefined: every one the caller may enter. */
export function listedProject({ query }: { query: ProjectQuery }): string | undefined {
  if (!isTrue(query['all-projects'])) return query.project || 'default'
  if (query.project) throw badRequest('Cannot specify a project when requesting all projects')
  return undefined
}

/** What is shared between projects is listed under the one that was asked for. */
export function asListed<Listed extends { project: string }>(record: Listed, project: string | undefined): Listed {
  return project === undefined ? record : { ...record, project }
}

function isTrue(text: string | undefined): boolean {
  return text !== undefined && ['true', '1', 'yes', 'on'].includes(text.toLowerCase())
}
