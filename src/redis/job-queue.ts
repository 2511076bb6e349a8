import { Queue } from 'bullmq'
import { internal } from '../core/failure.ts'
import type { JobQueue, Ticket } from '../core/ports.ts'
import { decodeTicket } from '../operations/job.ts'
import type { Connection } from './connection.ts'
import type { Keys } from './keys.ts'
import { toTexts } from './decode.ts'
import { countWorkers } from './registry.ts'
import { type Database, runScript } from './scripts.ts'

export interface JobQueueDeps {
  connection: Connection
  keys: Keys
  onError(error: unknown): void
}

/** Ended jobs leave nothing behind: the operation's record is the truth, and a kept job would block its id. */
const JOB_OPTIONS = { attempts: 1, removeOnComplete: true, removeOnFail: true }
/** BullMQ's own events are read by nobody. */
const EVENTS_KEPT = 100
/** Operations for which one script looks: about a millisecond in which Redis answers nobody else. */
const LOOKED_AT = 100
const JOB = 'op-'

/** The queue of a member, and the job of an operation in it. BullMQ allows no `:` in either. */
export function queueName(member: string): string {
  return `ops-${member}`
}

export function jobId(operation: string): string {
  if (!/^[0-9a-f-]{36}$/.test(operation)) throw internal(`Not an operation id: "${operation}"`)
  return `${JOB}${operation}`
}

/** A queue opened over a connection of ours, in the deployment's key space. */
export function openQueue(deps: JobQueueDeps, name: string): Queue {
  const { connection, keys } = deps
  const queue = new Queue(name, {
    connection: connection.redis,
    prefix: keys.bull,
    skipWaitingForReady: true,
    skipVersionCheck: true,
    defaultJobOptions: JOB_OPTIONS,
    streams: { events: { maxLen: EVENTS_KEPT } },
  })
  queue.on('error', (error) => deps.onError(error))
  return queue
}

/** Whether a job's data are those of this operation; BullMQ cannot even give out a job without sense. */
function isTicketOf(data: string | null | undefined, id: string): boolean {
  try {
    return decodeTicket(JSON.parse(data ?? '')).id === id
  } catch {
    return false
  }
}

async function findDoubtful(database: Database, ids: string[]): Promise<string[]> {
  const found: string[] = []
  const jobKey = [`${database.keys.bull}:${queueName('')}`, `:${JOB}`]
  for (let at = 0; at < ids.length; at += LOOKED_AT) {
    const args = [...jobKey, ...ids.slice(at, at + LOOKED_AT)]
    found.push(...toTexts(await runScript(database, 'doubtful-jobs', args)))
  }
  return found
}

/** One BullMQ queue per member, opened when it is first needed. */
export function openJobQueue(deps: JobQueueDeps): JobQueue & { close(): Promise<void> } {
  const { connection, keys } = deps
  const queues = new Map<string, Queue>()

  function queueOf(member: string): Queue {
    const queue = queues.get(member) ?? openQueue(deps, queueName(member))
    queues.set(member, queue)
    return queue
  }

  async function add(member: string, ticket: Ticket): Promise<void> {
    const queue = queueOf(member)
    const id = jobId(ticket.id)
    await connection.run(async (redis) => {
      const data = { id: ticket.id, kind: ticket.kind, epoch: ticket.epoch }
      // BullMQ keeps the data of a job that is there: one of an earlier epoch would be fenced.
      if (ticket.epoch > 1) await queue.remove(id)
      await queue.add(ticket.kind, data, { jobId: id })
      if (ticket.epoch === 1) return
      // One that a worker holds could not be removed; whoever takes it next must find sense in it.
      const kept = await redis.hget(queue.toKey(id), 'data')
      if (kept !== null && !isTicketOf(kept, ticket.id)) await redis.hset(queue.toKey(id), 'data', JSON.stringify(data))
    })
  }

  async function has(member: string, id: string): Promise<boolean> {
    const queue = queueOf(member)
    return connection.run(async (redis) => {
      // BullMQ would look for it in the whole list of those that wait. A job is there as long as its hash is.
      const [made, ended, data] = await redis.hmget(queue.toKey(jobId(id)), 'timestamp', 'finishedOn', 'data')
      if (!made) return false
      if (!ended) return isTicketOf(data, id)
      await queue.remove(jobId(id))
      return false
    })
  }

  async function counts(member: string) {
    const queue = queueOf(member)
    const [jobs, workers] = await connection.run(() =>
      Promise.all([
        queue.getJobCounts('waiting', 'active', 'prioritized', 'delayed'),
        countWorkers(connection, keys, member),
      ]),
    )
    const { waiting = 0, active = 0, prioritized = 0, delayed = 0 } = jobs
    return { waiting: waiting + prioritized + delayed, active, workers }
  }

  return {
    add,
    has,
    doubtful: (ids) => findDoubtful(deps, ids),
    drop: (member, id) => connection.run(async () => void (await queueOf(member).remove(jobId(id)))),
    counts,
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()))
    },
  }
}
