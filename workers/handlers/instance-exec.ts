import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { InstanceRecord } from '../../src/contract/records.ts'
import type { ContainerDetail, ExecSpec, RunningExec } from '../../src/core/container.ts'
import { planExec, startRefusal, userOf } from '../../src/core/exec-spec.ts'
import { expandConfig } from '../../src/core/expand.ts'
import { cancelled, internal, isFailure } from '../../src/core/failure.ts'
import { checkStillRuns } from '../../src/core/instance-status.ts'
import { KEPT_FILE, outputLog, outputVolume, type OutputStream } from '../../src/core/kept-files.ts'
import { containerOf, loadInstance, loadProfiles } from '../containers.ts'
import { dropVolume } from '../images.ts'
import type { Context, Handler } from '../steps.ts'

type Executing = Context<'instance.exec'>
type Exit = Awaited<RunningExec['exit']>

/** Bytes kept of each of the two streams. */
const MAX_OUTPUT = 16 * 1024 * 1024
/** Milliseconds between two looks at a process that another worker started. */
const FIRST_LOOK = 250
const LAST_LOOK = 5_000
/** Milliseconds between asking a process to end and ending it. */
const GRACE = 5_000
const STREAMS: readonly OutputStream[] = ['stdout', 'stderr']

/**
 * A command in an instance. It is never run twice: the mark is written before anything starts, and whoever finds the
 * mark of an earlier attempt only follows its process to the end. Whatever stops, recreates or deletes the instance
 * ends it, with the exit code of a killed process.
 */
export const instanceExec: Handler<'instance.exec'> = {
  steps: [
    { name: 'mark', run: async (context) => ({ attempt: context.attempt }) },
    { name: 'run', run, undo: endProcess },
  ],
  finish: async (context) => {
    const code = context.note('run') as number // the step's own note
    const { command } = context.input
    return { changes: [], metadata: { return: code, ...(await output(context)) }, context: { command } }
  },
}

/** The process's exit code. */
async function run(context: Executing): Promise<number> {
  const instance = await loadInstance(context, context.input.instance)
  const container = await containerOf(context, instance)
  const mark = context.note('mark') as { attempt: number } // the step's own note
  if (mark.attempt < context.attempt) throw await lost(context, container.id)
  checkStillRuns(container.status)
  const spec = await specOf(context, instance, container)
  let exit: Exit
  try {
    exit = await runOnce(context, spec, instance)
  } catch (failure) {
    // From here on it may have been started: trying again could run it twice.
    if (isFailure(failure, 'unavailable', 'timeout')) throw await lost(context, container.id)
    throw failure
  }
  const refusal = startRefusal(exit)
  if (refusal === undefined) return exit.code
  context.tell({ return: exit.code })
  throw refusal
}

/** The signal is not handed on: with it the engine's side would end the process also where only this worker ends. */
async function runOnce(context: Executing, spec: ExecSpec, instance: InstanceRecord): Promise<Exit> {
  const { stdin, stdout, stderr, exit } = await context.engine.execs.run(spec)
  const leave = (): void => {
    const reason = cancelled('The worker let go of the command')
    stdout.destroy(reason)
    stderr.destroy(reason)
  }
  context.signal.addEventListener('abort', leave, { once: true })
  if (context.signal.aborted) leave()
  try {
    stdin.end()
    const kept = [keep(context, instance, stdout, 'stdout'), keep(context, instance, stderr, 'stderr')]
    const [end] = await Promise.all([exit, ...kept])
    return end
  } finally {
    context.signal.removeEventListener('abort', leave)
  }
}

async function specOf(context: Executing, instance: InstanceRecord, container: ContainerDetail): Promise<ExecSpec> {
  const { input, engine, operation, signal } = context
  const config = expandConfig(await loadProfiles(context, instance), instance.config)
  const place = { config, container, containers: engine.containers, marker: operation.id }
  return planExec(input, place, signal)
}

/** Reads a stream to its end; recorded output goes into a volume, what is over its bound nowhere. */
async function keep(context: Executing, instance: InstanceRecord, stream: Readable, name: OutputStream): Promise<void> {
  if (!context.input.record) {
    for await (const _ of stream) continue
    return
  }
  const { uuid, project } = instance
  const labels = context.labels({ role: 'output', uuid, project })
  const onCut = (): void => context.warn(`Only the first ${MAX_OUTPUT} bytes of ${name} were kept`)
  const content = Readable.from(firstBytes(stream, onCut), { objectMode: false })
  const volume = outputVolume(context.operation.id, name)
  const bound = { labels, maxBytes: MAX_OUTPUT }
  try {
    await context.engine.volumes.putFile(volume, KEPT_FILE, content, bound, context.signal)
  } finally {
    content.destroy()
  }
}

async function* firstBytes(stream: Readable, onCut: () => void): AsyncGenerator<Buffer> {
  let left = MAX_OUTPUT
  // Without an encoding the chunks of a byte stream are Buffers.
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (left > 0) yield chunk.subarray(0, left)
    if (left >= 0 && chunk.length > left) onCut()
    left -= chunk.length
  }
}

async function output(context: Executing): Promise<{ output?: Record<string, string> }> {
  const { input, operation } = context
  if (!input.record) return {}
  const instance = await instanceIfThere(context)
  if (instance === undefined) {
    // Deleted under the command: nobody asks for its logs any more.
    await dropOutput(context)
    return {}
  }
  const logs = `/1.0/instances/${instance.name}/logs`
  return {
    output: Object.fromEntries(STREAMS.map((name, at) => [String(at + 1), `${logs}/${outputLog(operation.id, name)}`])),
  }
}

async function instanceIfThere(context: Executing): Promise<InstanceRecord | undefined> {
  try {
    return await loadInstance(context, context.input.instance)
  } catch (failure) {
    if (isFailure(failure, 'not-found')) return undefined
    throw failure
  }
}

/** Waits until a process that this attempt cannot hear has ended, and says what is left to say. */
async function lost(context: Executing, container: string): Promise<Error> {
  // An engine that is away is only asked again: leaving this step for it would start the command once more.
  const mayLive = () =>
    isAlive(context, container).catch(
      (failure: unknown) => isFailure(failure, 'unavailable', 'timeout') || Promise.reject(failure),
    )
  for (let wait = FIRST_LOOK; await mayLive(); wait = Math.min(2 * wait, LAST_LOOK))
    await sleep(wait, undefined, { signal: context.signal })
  return internal(
    'The worker that ran the command ended before it; the command has ended since, its output and exit code are lost',
  )
}

async function isAlive(context: Executing, container: string): Promise<boolean> {
  const { engine, operation, input, signal } = context
  const detail = await engine.containers.inspect(container, signal)
  if (detail === undefined || (detail.status !== 'running' && detail.status !== 'paused')) return false
  // Nothing can be asked of a paused one; it has not ended.
  if (detail.status === 'paused') return true
  return engine.execs.alive(container, operation.id, userOf(input), signal)
}

/** Ends the process, if it lives, and drops what it said. It has ended with an instance that is gone. */
async function endProcess(context: Executing): Promise<string | undefined> {
  const instance = await instanceIfThere(context)
  const lives = instance !== undefined && (await isAlive(context, instance.container))
  if (lives) await killProcess(context, instance.container)
  await dropOutput(context)
  return lives ? 'Ended the command' : undefined
}

async function dropOutput(context: Executing): Promise<void> {
  if (!context.input.record) return
  for (const name of STREAMS) await dropVolume(context, outputVolume(context.operation.id, name))
}

async function killProcess(context: Executing, container: string): Promise<void> {
  const { engine, operation, input, signal } = context
  const user = userOf(input)
  await engine.execs.killMarked(container, operation.id, user, 'SIGTERM', signal)
  const until = context.clock.now() + GRACE
  while (context.clock.now() < until && (await isAlive(context, container)))
    await sleep(FIRST_LOOK, undefined, { signal })
  await engine.execs.killMarked(container, operation.id, user, 'SIGKILL', signal)
}
