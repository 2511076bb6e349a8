import { type Job, type Queue, Worker } from 'bullmq'
import type { JobSource, Turn } from '../core/ports.ts'
import { type Canary, openCanary } from './canary.ts'
import type { Connection } from './connection.ts'
import { openQueue, queueName } from './job-queue.ts'
import type { Keys } from './keys.ts'
import { BEAT, beatWorker, forgetWorker } from './registry.ts'
import { createTurns, type Turns } from './turns.ts'

export interface JobSourceSettings {
  /** Of role `worker`; BullMQ opens one more per queue to block on. */
  connection: Connection
  keys: Keys
  members: string[]
  /** Operations at a time in this process. */
  concurrency: number
  workerName: string
  /** How long a job is a worker's own without a sign of life, milliseconds; of the product's choice if not given. */
  lock?: number | undefined
  /** Resolves when the turn is over; the operation's end is its own business. */
  perform(ticket: unknown, turn: Turn): Promise<void>
  onError(error: unknown): void
}

export interface RedisJobSource extends JobSource {
  /** False when this process gets no jobs any more although Redis answers: it should exit and be started again. */
  healthy(): boolean
}

/** A killed worker's job is taken over after 6 to 9 s; a worker that stood still for 3.5 s keeps it. Milliseconds. */
const LOCK = 6_000
/** BullMQ would fail a job after its first stall; attempts are bounded by the record's count. */
const MOST_STALLED = 100
/** With several queues: jobs that wait for this process's slots are lost to other workers. */
const PER_QUEUE = 4
/** How long aborted turns get to let go, milliseconds. */
const LET_GO = 5_000

/** Takes jobs of the members' queues until it is closed. */
export async function openJobSource(settings: JobSourceSettings): Promise<RedisJobSource> {
  const { connection, keys, members, workerName } = settings
  const turns = createTurns(settings)
  const tell = tellOnce((error) => settings.onError(error))
  const queues = members.map((member) => openQueue({ ...settings, onError: tell }, queueName(member)))
  const workers = queues.map((queue) => openWorker(settings, queue.name, turns, tell))
  const canary = await openCanary({
    ...settings,
    onError: tell,
    watched: watchQueues(queues, turns, settings.concurrency),
  })
  const beat = () => void beatWorker(connection, keys, workerName, members).catch(tell)
  await beatWorker(connection, keys, workerName, members)
  const beating = setInterval(beat, BEAT)
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))

  async function close(graceMs: number): Promise<void> {
    clearInterval(beating)
    const closed = Promise.all(workers.map((worker) => worker.close())).catch(tell)
    turns.stopWaiting()
    if (!(await settles(closed, graceMs))) {
      turns.abortAll('draining')
      await settles(closed, LET_GO)
    }
    // A Redis that is away keeps nobody from leaving.
    const left = [closeRest(canary, queues), forgetWorker(connection, keys, workerName, members)]
    await settles(Promise.all(left), LET_GO)
  }

  return { close, abort: (operation, reason) => turns.abort(operation, reason), healthy: () => canary.healthy() }
}

function openWorker(settings: JobSourceSettings, name: string, turns: Turns, tell: (error: unknown) => void): Worker {
  const { connection, keys, members, concurrency, workerName, lock = LOCK } = settings
  // BullMQ looks at the number of declared parameters: with fewer than three it gives no signal.
  const processor = (job: Job, token: string | undefined, signal: AbortSignal | undefined) =>
    turns.process(job, token, signal)
  const worker = new Worker(name, processor, {
    connection: connection.redis,
    prefix: keys.bull,
    name: workerName,
    concurrency: members.length === 1 ? concurrency : Math.min(concurrency, PER_QUEUE),
    lockDuration: lock,
    stalledInterval: lock / 2,
    maxStalledCount: MOST_STALLED,
    drainDelay: 1,
    runRetryDelay: 500,
    skipVersionCheck: true,
  })
  worker.on('error', tell)
  worker.on('lockRenewalFailed', (jobs) => {
    for (const job of jobs) turns.abort(job.replace(/^op-/, ''), 'lost')
  })
  return worker
}

/** Whether jobs wait although this process does nothing and has begun nothing since the last question. */
function watchQueues(queues: Queue[], turns: Turns, concurrency: number): () => Promise<boolean> {
  let seen = turns.begun()
  return async () => {
    const counts = await Promise.all(queues.map((queue) => queue.getWaitingCount()))
    const stuck = turns.slots.free() === concurrency && turns.begun() === seen && counts.some((count) => count > 0)
    seen = turns.begun()
    return stuck
  }
}

/** BullMQ reports a lost lock two or three times, in different words. */
function tellOnce(onError: (error: unknown) => void): (error: unknown) => void {
  let last = 0
  return (error) => {
    if (error instanceof Error && /lock|Missing key for job/i.test(error.message)) {
      if (Date.now() - last < 1_000) return
      last = Date.now()
    }
    onError(error)
  }
}

/** Whether the work was over in time, in whichever way. */
async function settles(work: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), ms)
  const done = await Promise.race([work.then(isOver, isOver), promise])
  clearTimeout(timer)
  return done
}

function isOver(): boolean {
  return true
}

async function closeRest(canary: Canary, queues: Queue[]): Promise<void> {
  await canary.close()
  await Promise.all(queues.map((queue) => queue.close()))
}
