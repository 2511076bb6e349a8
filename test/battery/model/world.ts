import type { Engine } from '../../../src/core/engine.ts'
import type { Hold, JobQueue, OperationStore, RecordChange } from '../../../src/core/ports.ts'
import { fenceOf } from '../../../src/redis/operation-course.ts'
import { createRedisOperationStore } from '../../../src/redis/operation-store.ts'
import { createRedisRecordStore } from '../../../src/redis/record-store.ts'
import { type Database, runScript } from '../../../src/redis/scripts.ts'
import { findLostJobs } from '../../../src/sweep/lost-jobs.ts'
import { handlers } from '../../../workers/handlers/all.ts'
import { createPerform } from '../../../workers/perform.ts'
import type { Handler, Step } from '../../../workers/steps.ts'
import { ending, instance, putInstance, requestor } from '../../ports/samples.ts'
import { absent } from '../../support/absent.ts'
import { asked } from './asked.ts'
import { Invariants, must } from './invariants.ts'
import { OPERATIONS, WORKERS, type Event } from './schedule.ts'
import { gatedStore, Turn } from './turn.ts'

type Kind = 'instance.start'

interface Job {
  epoch: number
  started: number
  active: Turn | undefined
}

const engine = absent<Engine>('engine', { member: 'local' })
/** More than any turn needs. */
const MOST_MOVES = 60

/** The record that an operation makes: the last one writes it half-way and only goes forward from there. */
const putRecord = (at: number): RecordChange[] => [
  putInstance(instance({ uuid: `u${at}`, name: at === 2 ? 'm' : 'n', created_at: '2026-11-21T09:16:00.000Z' })),
]

/** Real scripts, the workers' real `perform` and the real sweep; a queue and an engine that are a map each. */
export class World {
  readonly #database: Database
  readonly #store: OperationStore
  readonly #invariants: Invariants
  readonly #jobs = new Map<string, Job>()
  readonly #workers: (Turn | undefined)[] = Array.from({ length: WORKERS })
  readonly #turns: Turn[] = []
  #now = 10_000

  constructor(database: Database) {
    this.#database = database
    this.#store = createRedisOperationStore(database)
    this.#invariants = new Invariants(database)
  }

  async run(events: Event[]): Promise<void> {
    for (const event of events) {
      this.#now += 1
      await this.#happen(event)
      await this.#invariants.check()
    }
    await this.#settle()
    await this.#invariants.checkEnd()
  }

  #happen(event: Event): Promise<void> | void {
    if ('operation' in event) return this.#happenTo(event.operation, event.do)
    return 'worker' in event ? this.#happenIn(event.worker, event.do) : this.#sweep()
  }

  #happenTo(at: number, what: Extract<Event, { operation: number }>['do']): Promise<void> | void {
    const { id } = asked(at).operation
    switch (what) {
      case 'accept':
        return this.#accept(at)
      case 'cancel':
        return this.#cancel(at)
      case 'late':
        return this.#sendLate(at)
      case 'stall':
        return this.#release(id)
      case 'forget':
        this.#jobs.delete(id)
    }
  }

  #happenIn(worker: number, what: Extract<Event, { worker: number }>['do']): Promise<void> | void {
    switch (what) {
      case 'go':
        return this.#go(worker)
      case 'again':
        return this.#sendAgain(worker)
      case 'crash':
        return this.#crash(worker)
      case 'drain':
        return this.#drain(worker)
      case 'notice':
        return this.#workers[worker]?.control.abort('lost')
    }
  }

  async #accept(at: number): Promise<void> {
    const acceptance = asked(at)
    const expected = this.#invariants.acceptable(at)
    const { outcome } = await this.#store.accept(acceptance)
    must(outcome === expected, `accept ${at}: ${outcome}, expected ${expected}`)
    if (outcome !== 'accepted' || this.#invariants.isKnown(at)) return
    this.#invariants.accepted(at)
    await this.#queue.add('local', { id: acceptance.operation.id, kind: acceptance.operation.kind, epoch: 1 })
  }

  async #cancel(at: number): Promise<void> {
    const expected = this.#invariants.cancellable(at)
    const answer = await this.#store.cancel(asked(at).operation.id, { by: requestor, at: this.#now })
    must(answer === expected, `cancel ${at}: ${answer}, expected ${expected}`)
    this.#invariants.cancelAnswered(at, answer)
    if (answer === 'cancelled') await this.#queue.drop('local', asked(at).operation.id)
    // Only the worker that performs it is told, and it may be told too late.
    if (answer === 'asked') this.#turns.findLast((turn) => turn.operation === at)?.control.abort('cancelled')
  }

  async #go(worker: number): Promise<void> {
    const turn = this.#workers[worker]
    if (turn === undefined || turn.over) return this.#take(worker)
    this.#invariants.about(turn)
    await turn.go()
    this.#finish(turn)
  }

  async #take(worker: number): Promise<void> {
    const [id, job] = [...this.#jobs].find(([, { active }]) => active === undefined) ?? []
    if (id === undefined || job === undefined) return
    job.started += 1
    const at = Number(id.at(-1))
    const token = `t${this.#turns.length}`
    const turn = new Turn(at, { id, kind: 'instance.start', epoch: job.epoch }, { attempt: job.started, token })
    job.active = turn
    this.#turns.push(turn)
    this.#workers[worker] = turn
    await turn.begin((self) => this.#perform(self))
    this.#finish(turn)
  }

  /** A job whose turn is over is gone from the queue, however it ended. */
  #finish(turn: Turn): void {
    if (turn.over && this.#jobs.get(turn.hold.id)?.active === turn) this.#jobs.delete(turn.hold.id)
  }

  #release(id: string): void {
    const job = this.#jobs.get(id)
    if (job !== undefined) job.active = undefined
  }

  async #sendAgain(worker: number): Promise<void> {
    const turn = this.#workers[worker]
    if (turn === undefined || turn.over) return
    await this.#go(worker)
    await this.#invariants.check()
    // Sent twice since its answer was lost: it changes nothing more.
    if (turn.last === undefined) return
    const before = this.#invariants.snapshot(turn.operation)
    await turn.last()
    await this.#invariants.check()
    this.#invariants.sameBut(turn.operation, before, ['updated'])
  }

  async #crash(worker: number): Promise<void> {
    const turn = this.#workers[worker]
    if (turn === undefined) return
    await turn.crash()
    this.#workers[worker] = undefined
  }

  async #drain(worker: number): Promise<void> {
    const turn = this.#workers[worker]
    if (turn === undefined || turn.over) return
    turn.control.abort('draining')
    await this.#toTheEnd(turn)
    this.#workers[worker] = undefined
    const { id } = turn.hold
    const taken = await runScript(this.#database, 'hand-back', fenceOf(turn.hold))
    this.#invariants.handedBack(turn, taken)
    const active = this.#jobs.get(id)
    if (active?.active === turn) active.active = undefined
  }

  /** A call of a turn that is not the operation's any more: whatever it says is refused. */
  async #sendLate(at: number): Promise<void> {
    if (!this.#invariants.isKnown(at)) return
    const { id } = asked(at).operation
    const never: Hold = { id, epoch: 1, attempt: 1, token: 'never' }
    const old = this.#turns.find((turn) => turn.operation === at && !this.#invariants.holds(turn))
    const hold = old?.hold ?? never
    const before = this.#invariants.snapshot(at)
    const changes = [putInstance(instance({ uuid: 'late', name: `late${at}` }))]
    const note = { name: 'late', at: this.#now, attempt: 1, data: 'late' }
    const noted = await this.#store.note(hold, { notes: [note], metadata: { late: true }, changes, at: this.#now })
    must(noted === 'fenced', `A late note was ${noted}`)
    for (const state of ['success', 'failure', 'cancelled'] as const) {
      const ended = await this.#store.end(hold, ending({ state, changes, at: this.#now }))
      must(ended === 'fenced' || ended === 'final', `A late ${state} was ${ended}`)
    }
    await this.#invariants.check()
    this.#invariants.sameBut(at, before, [])
  }

  async #sweep(): Promise<void> {
    const ids = await this.#store.unfinished(this.#now + 1, 100)
    const raiseEpoch = async (id: string, now: number) => {
      const hold = await this.#store.raiseEpoch(id, now)
      if (hold !== undefined) this.#invariants.raised(hold)
      return hold
    }
    const clock = { now: () => this.#now, uuid: () => '', operationId: () => '' }
    const lost = await findLostJobs({ store: { ...this.#store, raiseEpoch }, queue: this.#queue, clock }, ids)
    for (const one of lost) await one.mend()
  }

  /** Everything that can still happen happens: turns go on, dead workers' jobs are given out again. */
  async #settle(): Promise<void> {
    for (const turn of this.#turns) await this.#toTheEnd(turn)
    for (let round = 0; round < 8 && this.#invariants.someLive(); round++) {
      this.#now += 10
      await this.#sweep()
      for (const id of this.#jobs.keys()) {
        this.#release(id)
        this.#workers[0] = undefined
        await this.#take(0)
        const turn = this.#turns.at(-1)
        if (turn !== undefined) await this.#toTheEnd(turn)
      }
      await this.#invariants.check()
    }
  }

  async #toTheEnd(turn: Turn): Promise<void> {
    for (let moves = 0; moves < MOST_MOVES && !turn.over; moves++) {
      this.#invariants.about(turn)
      await turn.go()
      await this.#invariants.check()
    }
    this.#finish(turn)
  }

  readonly #queue: Pick<JobQueue, 'add' | 'has' | 'drop'> = {
    add: async (_member, { id, epoch }) => {
      // As BullMQ: the job of a living worker can neither be replaced nor removed.
      if (this.#jobs.get(id)?.active === undefined) this.#jobs.set(id, { epoch, started: 0, active: undefined })
    },
    has: async (_member, id) => this.#jobs.has(id),
    drop: async (_member, id) => {
      if (this.#jobs.get(id)?.active === undefined) this.#jobs.delete(id)
    },
  }

  #perform(turn: Turn): Promise<void> {
    const perform = createPerform({
      store: gatedStore(this.#store, turn, (...seen) => this.#invariants.answered(...seen)),
      records: createRedisRecordStore(this.#database),
      engines: new Map([['local', engine]]),
      handlers: { ...handlers, 'instance.start': this.#handler(turn) },
      clock: { now: () => this.#now, uuid: () => 'u', operationId: () => 'o' },
      deployment: 'd',
      sweep: async () => [],
      worker: 'w',
      engineBack: async () => true,
      point: () => undefined,
      onError: () => undefined,
      onTransition: () => undefined,
    })
    return perform(turn.ticket, { attempt: turn.hold.attempt, token: turn.hold.token, signal: turn.control.signal })
  }

  /** Two steps with an effect on the engine, and a point of no return between them for the last operation. */
  #handler(turn: Turn): Handler<Kind> {
    const effects = this.#invariants.effects
    const effect = (name: string): Step<Kind> => ({
      name,
      run: async () => {
        await turn.gate()
        effects.make(turn, name)
      },
      undo: async () => {
        await turn.gate()
        return effects.unmake(turn, name) ? `Undid ${name}` : undefined
      },
    })
    const isForward = turn.operation === OPERATIONS - 1
    const pass: Step<Kind> = {
      name: 'pass',
      when: () => isForward,
      run: (context) => context.forward(putRecord(turn.operation)),
      lasts: () => true,
    }
    const finish = async () => ({ changes: isForward ? [] : putRecord(turn.operation) })
    return { steps: [effect('a'), pass, effect('b')], finish }
  }
}
