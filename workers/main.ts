/** One worker process: takes jobs of its members' queues and performs them against the engines. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../src/config.ts'
import type { Engine } from '../src/core/engine.ts'
import { openEventBus } from '../src/redis/event-bus.ts'
import { openJobSource, type RedisJobSource } from '../src/redis/job-source.ts'
import { stayLean } from '../src/setup/lean-node.ts'
import { stopAsked } from '../src/stop-asked.ts'
import { createPoints } from '../src/test-points.ts'
import { openSweep } from '../src/open-sweep.ts'
import { openDeps } from '../src/wire.ts'
import { handlers } from './handlers/all.ts'
import { createPerform } from './perform.ts'

/** Milliseconds the running operations get at SIGTERM before another worker takes them over. */
const DRAIN = 2_500
/** How often an engine that is away is asked again, milliseconds. */
const ENGINE_RETRY = 500
/** The longest pause before something is tried again on an engine that is there, milliseconds. */
const LONGEST_PAUSE = 5_000
/** How often this process asks itself whether it still gets jobs, milliseconds. */
const HEALTH_EVERY = 10_000

export async function work(config: Config): Promise<void> {
  const deps = await openDeps(config, 'worker')
  const { log, database, engines } = deps
  const worker = config.WINDLASS_WORKER_NAME ?? `worker-${process.pid}`
  const perform = createPerform({
    ...deps,
    sweep: openSweep(deps),
    handlers,
    worker,
    engineBack,
    point: createPoints(config.WINDLASS_TEST_POINT),
    onTransition: (transition) => {
      if (transition.state === 'failure') log.warn(transition, 'Operation')
      else log.info(transition, 'Operation')
    },
    onError: (failure, operation) => log.error({ err: failure, operation }, 'Operation failed'),
  })
  const source = await openJobSource({
    connection: deps.connect('worker'),
    keys: database.keys,
    members: [...engines.keys()],
    concurrency: config.WINDLASS_CONCURRENCY,
    workerName: worker,
    lock: config.WINDLASS_TEST_LOCK,
    perform,
    onError: (error) => log.warn({ err: error }, 'Job source'),
  })
  const bus = openEventBus({
    database,
    subscriber: deps.connect('subscriber'),
    log: 'cancels',
    onGap: () => undefined,
    onError: (error) => log.warn({ err: error }, 'Event bus'),
  })
  deps.onClose(() => bus.close())
  bus.subscribe((event) => {
    if (event.type === 'cancel') source.abort(event.operation, 'cancelled')
  })
  await bus.ready
  const stopping = stopAsked()
  stayLean()
  process.send?.({ type: 'ready' })
  log.info({ worker, members: [...engines.keys()] }, 'Worker takes jobs')
  const stopChecking = exitWhenDeaf(source, log)
  await stopping
  stopChecking()
  await source.close(DRAIN)
  await deps.close()
}

/** A process that gets no jobs any more does not recover: the supervisor starts another. Returns what ends the checks. */
function exitWhenDeaf(source: RedisJobSource, log: Logger): () => void {
  const check = (): void => {
    if (source.healthy()) return
    log.fatal('Redis answers, but this worker is given no jobs any more; it ends, to be started again')
    // Not a drain: that would wait for the very queue that is dead. Another worker takes over what runs here.
    process.exit(1)
  }
  const timer = setInterval(check, HEALTH_EVERY)
  return () => clearInterval(timer)
}

async function engineBack(engine: Engine, signal: AbortSignal, tries: number): Promise<boolean> {
  await sleep(Math.min(ENGINE_RETRY * 2 ** (tries - 1), LONGEST_PAUSE), undefined, { signal })
  for (let wasAway = false; ; wasAway = true) {
    try {
      await engine.ping(signal)
      return wasAway
    } catch (thrown) {
      if (signal.aborted) throw thrown
      await sleep(ENGINE_RETRY, undefined, { signal })
    }
  }
}
