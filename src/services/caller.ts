import type { Requestor, Role } from '../contract/common.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import { forbidden, notFound } from '../core/failure.ts'
import type { IdempotencyKey, KeptAnswer } from '../core/ports.ts'

/** Who asks, as the listener found out, and what the request carries besides its parameters. */
export interface Caller {
  requestor: Requestor
  role: Role
  /** null: every project. */
  projects: string[] | null
  /** Scoped to requestor and project already; with the answer to keep where the route makes no operation. */
  idempotency?: IdempotencyKey | undefined
  /** What a route without an operation will answer; stored with the change it makes. */
  answer?: KeptAnswer | undefined
}

/** Who asks where strangers are answered as well; undefined: a stranger, who sees what is public. */
export type Visitor = Caller | undefined

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 }

/** Refuses a caller whose role is below `role`. */
export function requireRole(caller: Caller, role: Role): void {
  if (RANK[caller.role] < RANK[role]) throw forbidden(`not authorized: this needs the role ${role}`)
}

/** What belongs to the server as a whole is not for an admin of some projects only. */
export function requireServer(caller: Caller): void {
  requireRole(caller, 'admin')
  if (!isServerAdmin(caller)) throw forbidden('not authorized: this caller is bound to projects')
}

export function isServerAdmin({ role, projects }: Caller): boolean {
  return role === 'admin' && projects === null
}

/** Whether the caller may see an operation at all: one that holds the key to the server is for its admins. */
export function maySee(caller: Caller, { project, class: kind }: Pick<OperationRecord, 'project' | 'class'>): boolean {
  return mayEnter(caller, project) && (kind !== 'token' || isServerAdmin(caller))
}

export function mayEnter(caller: Caller, project: string): boolean {
  return caller.projects === null || caller.projects.includes(project)
}

/** A project the caller may not enter does not exist for it. */
export function requireProject(caller: Caller, project: string): void {
  if (!mayEnter(caller, project)) throw notFound('Project not found')
}

/**
 * What a project shares with `default` is read and used through it; it is changed only by those who may enter `default`
 * too. LXD looks only at the project that a request names, and so lets a certificate that is bound to it change what all
 * others have as well (its own tests of TLS restrictions do so); here a project is a border for changes.
 */
export function requireHome(caller: Caller, home: string): void {
  if (mayEnter(caller, home)) return
  throw forbidden(`not authorized: this belongs to the project "${home}", which shares it; it is changed there`)
}

/** What a change of records stores with itself, so that a repeat of the request gets the same answer. */
export function keptAnswer(caller: Caller): (IdempotencyKey & { answer: KeptAnswer }) | undefined {
  if (caller.idempotency === undefined || caller.answer === undefined) return undefined
  return { ...caller.idempotency, answer: caller.answer }
}

/** The server acting by itself: first set-up, sweeping, starting instances again. */
export const SERVER: Caller = {
  requestor: { username: 'windlass', protocol: 'windlass', address: '' },
  role: 'admin',
  projects: null,
}

/** A stranger, in what is told of a visit. */
export const STRANGER: Caller = {
  requestor: { username: '', protocol: 'none', address: '' },
  role: 'viewer',
  projects: [],
}
