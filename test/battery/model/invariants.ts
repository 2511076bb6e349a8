import { isDeepStrictEqual } from 'node:util'
import type { Hold } from '../../../src/core/ports.ts'
import type { Database } from '../../../src/redis/scripts.ts'
import { asked } from './asked.ts'
import { OPERATIONS } from './schedule.ts'
import type { Turn } from './turn.ts'

const FINAL = new Set(['success', 'failure', 'cancelled'])
const EPOCH = 1_000_000

/** Every field of an operation's hash. */
type Snapshot = Record<string, string>

interface Known {
  /** As it was last read. */
  fields: Snapshot
  /** Who may write: the fence and token of the last begin or sweep. */
  fence: number
  token: string
  /** A cancel was promised. */
  promised: boolean
}

export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

const fenceNumber = ({ epoch, attempt }: Hold) => epoch * EPOCH + attempt

/** What the model knows of each operation, and what must be true of it at any time. */
export class Invariants {
  readonly effects = new Effects((turn) => this.holds(turn))
  readonly #database: Database
  readonly #known: (Known | undefined)[] = Array.from({ length: OPERATIONS })
  /** The turn that moves in this event, if it is nobody's any more: it must not change its operation. */
  #stale: Turn | undefined
  /** A wrong answer to a turn, which would keep it to itself. */
  #wrong: string | undefined

  constructor(database: Database) {
    this.#database = database
  }

  isKnown(at: number): boolean {
    return this.#known[at] !== undefined
  }

  snapshot(at: number): Snapshot {
    return this.#known[at]?.fields ?? {}
  }

  #state(at: number): string {
    return this.snapshot(at)['state'] ?? ''
  }

  #isLive(at: number): boolean {
    return this.isKnown(at) && !FINAL.has(this.#state(at))
  }

  someLive(): boolean {
    return this.#known.some((_, at) => this.#isLive(at))
  }

  accepted(at: number): void {
    this.#known[at] = { fields: { state: 'pending' }, fence: 0, token: '', promised: false }
  }

  /** What accept has to answer. */
  acceptable(at: number): string {
    if (this.isKnown(at)) return 'accepted'
    const rivals = this.#known.map((_, other) => other).filter((other) => this.isKnown(other))
    const wanted = nameOf(at)
    if (rivals.some((other) => nameOf(other) === wanted && (this.#isLive(other) || this.#state(other) === 'success')))
      return 'name-taken'
    const live = rivals.filter((other) => this.#isLive(other))
    if (live.some((other) => modeOf(other) === 'own' || modeOf(at) === 'own')) return 'busy'
    return 'accepted'
  }

  /** What cancel has to answer. */
  cancellable(at: number): string {
    if (!this.isKnown(at)) return 'unknown'
    const { state, forward } = this.snapshot(at)
    if (FINAL.has(state ?? '')) return 'final'
    if (state === 'pending') return 'cancelled'
    return forward === '1' ? 'refused' : 'asked'
  }

  cancelAnswered(at: number, answer: string): void {
    const known = this.#known[at]
    if (known !== undefined && (answer === 'asked' || answer === 'cancelled')) known.promised = true
  }

  raised({ id, epoch, token }: Hold): void {
    this.#hold(Number(id.at(-1)), epoch * EPOCH, token)
  }

  handedBack(turn: Turn, taken: unknown): void {
    const isHolder = this.holds(turn) && this.#state(turn.operation) === 'running'
    must((taken === 1) === isHolder, `hand-back answered ${String(taken)}, holds: ${isHolder}`)
    if (isHolder) this.#hold(turn.operation, fenceNumber(turn.hold), '')
  }

  #hold(at: number, fence: number, token: string): void {
    const known = this.#known[at]
    if (known === undefined) return
    must(fence >= known.fence, `The fence of ${at} went down`)
    Object.assign(known, { fence, token })
  }

  holds({ operation, hold }: Pick<Turn, 'operation' | 'hold'>): boolean {
    const known = this.#known[operation]
    return known !== undefined && known.fence === fenceNumber(hold) && known.token === hold.token
  }

  /** This turn moves now. */
  about(turn: Turn): void {
    const known = this.#known[turn.operation]
    const isNext = known !== undefined && fenceNumber(turn.hold) > known.fence
    this.#stale = this.holds(turn) || isNext ? undefined : turn
  }

  /** What a script has answered a turn. */
  answered(turn: Turn, call: 'begin' | 'note' | 'end', answer: string): void {
    const at = turn.operation
    const known = this.#known[at]
    if (known === undefined) return
    const fence = fenceNumber(turn.hold)
    if (call === 'begin') {
      const may = fence > known.fence || this.holds(turn)
      if (answer !== 'final' && (answer === 'begun') !== may)
        this.#wrong = `begin ${fence} of ${known.fence}: ${answer}`
      if (answer === 'begun' && may) this.#hold(at, fence, turn.hold.token)
      return
    }
    if (!this.holds(turn) && answer !== 'fenced' && answer !== 'final') this.#wrong = `A stale ${call} was ${answer}`
  }

  /** Reads everything at once and compares it with what was and what has to be. */
  async check(): Promise<void> {
    must(this.#wrong === undefined, this.#wrong ?? '')
    const read = await this.read()
    for (const [at, known] of this.#known.entries()) {
      if (known === undefined) continue
      const next = read.operations[at] ?? {}
      if (FINAL.has(known.fields['state'] ?? '')) this.sameBut(at, next, [])
      if (this.#stale?.operation === at) this.sameBut(at, next, [])
      checkStep(known.fields['state'] ?? '', next['state'] ?? 'gone')
      known.fields = next
    }
    this.#stale = undefined
    this.#checkClaims(read)
  }

  async read() {
    const { connection, keys } = this.#database
    const batch = connection.redis.pipeline()
    const ids = this.#known.map((_, at) => asked(at).operation.id)
    for (const id of ids) batch.hgetall(keys.key('op', id))
    batch.hgetall(keys.key('resv', 'instance', 'default'))
    batch.hgetall(keys.key('busy')).hgetall(keys.key('use', 'instance:u'))
    batch.smembers(keys.key('recs', 'lease')).smembers(keys.key('recs', 'instance'))
    const answers = ((await batch.exec()) ?? []).map(([, answer]) => answer)
    const [reserved, busy, used, leases, instances] = answers.slice(OPERATIONS)
    return {
      operations: answers.slice(0, OPERATIONS) as Snapshot[], // what HGETALL answers
      reserved: reserved as Snapshot,
      busy: busy as Snapshot,
      used: used as Snapshot,
      leases: (leases as string[]).toSorted(), // what SMEMBERS answers
      instances: (instances as string[]).toSorted(),
    }
  }

  /** Held exactly while an operation lives; what was taken for it stays exactly if it succeeded. */
  #checkClaims(read: Awaited<ReturnType<Invariants['read']>>): void {
    const live = this.#known.map((_, at) => at).filter((at) => this.#isLive(at))
    const idOf = (at: number) => asked(at).operation.id
    const reserved = Object.fromEntries(live.map((at) => [nameOf(at), idOf(at)]))
    must(isDeepStrictEqual({ ...read.reserved }, reserved), `Reserved: ${JSON.stringify(read.reserved)}`)
    const owners = live.filter((at) => modeOf(at) === 'own').map((at) => ['instance:u', `${idOf(at)} start`])
    must(isDeepStrictEqual({ ...read.busy }, Object.fromEntries(owners)), `Busy: ${JSON.stringify(read.busy)}`)
    const users = live.filter((at) => modeOf(at) === 'use').map((at) => [idOf(at), 'start'])
    must(isDeepStrictEqual({ ...read.used }, Object.fromEntries(users)), `Used: ${JSON.stringify(read.used)}`)
    const kept = this.#known.map((_, at) => at).filter((at) => this.#isLive(at) || this.#state(at) === 'success')
    must(
      isDeepStrictEqual(
        read.leases,
        kept.map((at) => `lease${at}`),
      ),
      `Leases: ${read.leases.join()}`,
    )
    const made = kept.filter((at) => this.#state(at) === 'success' || this.snapshot(at)['forward'] === '1')
    must(
      isDeepStrictEqual(
        read.instances,
        made.map((at) => `u${at}`),
      ),
      `Records: ${read.instances.join()}`,
    )
  }

  sameBut(at: number, other: Snapshot, fields: string[]): void {
    const was = this.snapshot(at)
    const differ = [...new Set([...Object.keys(was), ...Object.keys(other)])].filter(
      (field) => !fields.includes(field) && was[field] !== other[field],
    )
    must(differ.length === 0, `Operation ${at} (${was['state']}) changed where nobody may: ${differ.join()}`)
  }

  /** After everything has settled. */
  async checkEnd(): Promise<void> {
    const { connection, keys } = this.#database
    const ends = await connection.redis.hgetall(keys.key('counts'))
    const known = this.#known.map((_, at) => at).filter((at) => this.isKnown(at))
    for (const at of known) this.#checkOutcome(at)
    const counted = Object.values(ends).reduce((sum, count) => sum + Number(count), 0)
    must(counted === known.length, `${known.length} operations have ended ${counted} times`)
  }

  #checkOutcome(at: number): void {
    const state = this.#state(at)
    must(FINAL.has(state), `Operation ${at} never ends: ${state}`)
    const promised = this.#known[at]?.promised === true
    must((state === 'cancelled') === promised, `A cancel was ${promised ? '' : 'not '}promised, and it is ${state}`)
    const left = this.effects.of(at)
    must(isDeepStrictEqual(left, state === 'success' ? ['a', 'b'] : []), `${state} with effects ${left.join()}`)
  }
}

const nameOf = (at: number) => asked(at).names[0]?.name ?? ''
const modeOf = (at: number) => asked(at).busy[0]?.mode

const NEXT: Record<string, string[]> = {
  pending: ['pending', 'running', 'cancelled'],
  running: ['running', 'success', 'failure', 'cancelled'],
}

function checkStep(from: string, to: string): void {
  must(FINAL.has(from) || NEXT[from]?.includes(to) === true, `From ${from} to ${to}`)
}

/** The engine: it has no fence, so a turn that is nobody's any more may still leave something, for a sweep to find. */
class Effects {
  readonly #made = new Map<string, { late: boolean }>()
  readonly #holds: (turn: Turn) => boolean

  constructor(holds: (turn: Turn) => boolean) {
    this.#holds = holds
  }

  make(turn: Turn, name: string): void {
    const key = `${turn.operation} ${name}`
    if (this.#holds(turn)) this.#made.set(key, { late: false })
    else if (!this.#made.has(key)) this.#made.set(key, { late: true })
  }

  unmake(turn: Turn, name: string): boolean {
    return this.#made.delete(`${turn.operation} ${name}`)
  }

  /** What no sweep has to look for. */
  of(operation: number): string[] {
    const mine = [...this.#made].filter(([key, { late }]) => key.startsWith(`${operation} `) && !late)
    return mine.map(([key]) => key.slice(2)).toSorted()
  }
}
