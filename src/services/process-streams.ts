/** A process in an instance and the websockets its streams are. */
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunningExec } from '../core/container.ts'
import { isFailure } from '../core/failure.ts'
import { parseControl } from './control-messages.ts'
import type { Channel } from './stream-session.ts'

export interface ProcessChannels {
  stdin: Channel
  stdout: Channel
  /** undefined with a terminal, whose one websocket is both others. */
  stderr: Channel | undefined
  /** Resolves when the client has opened it; not every one does. */
  control: Promise<Channel>
}

type Exit = Awaited<RunningExec['exit']>

/** Milliseconds between asking a process to end and ending it. */
const GRACE = 2_000

/**
 * Carries the streams until the process has ended and all it has said is told. It is ended when its client has gone
 * (the control websocket, or all that it speaks to) and at the signal's abort, whose reason is thrown then.
 */
export async function carryProcess(
  running: RunningExec,
  channels: ProcessChannels,
  signal: AbortSignal,
): Promise<Exit> {
  const { stdin, stdout, stderr, control } = channels
  const isTerminal = stderr === undefined
  const life = followLife(running)
  let ending: Promise<void> | undefined
  const end = (grace: number): Promise<void> =>
    (ending ??= life.isOver() ? Promise.resolve() : endProcess(running, life, { isTerminal, grace }))
  void pipeline(stdin.input, running.stdin).catch(nothing)
  const told = [pipeline(running.stdout, stdout.output)]
  if (stderr !== undefined) told.push(pipeline(running.stderr, stderr.output))
  // A client that has let go of a stream misses only that one.
  const allTold = Promise.all(told.map((one) => one.catch(nothing)))
  void control.then((channel) => channel.onText((text) => obey(running, text)))
  void gone(channels).then(() => end(GRACE))
  const stop = (): void => {
    void end(isFailure(signal.reason, 'cancelled') ? GRACE : 0).finally(() => {
      for (const channel of [stdout, stderr]) channel?.close()
    })
  }
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    const exit = await running.exit
    await allTold
    await ending
    signal.throwIfAborted()
    return exit
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function nothing(): void {}

interface Life {
  ended: Promise<void>
  isOver(): boolean
}

function followLife({ exit }: RunningExec): Life {
  let isOver = false
  const end = (): void => {
    isOver = true
  }
  return { ended: exit.then(end, end), isOver: () => isOver }
}

async function gone({ stdout, stderr, control }: ProcessChannels): Promise<void> {
  const unheard = Promise.all([leftEarly(stdout), stderr && leftEarly(stderr)])
  await Promise.race([unheard, control.then(({ closed }) => closed)])
}

/** Resolves when the client lets go of a stream before its end; after that it is right to. */
function leftEarly({ output, closed }: Channel): Promise<void> {
  return new Promise((resolve) => void closed.then(() => output.writableEnded || resolve()))
}

/**
 * Asks the process to end, then ends it, as often as it takes: a frozen one is deaf. What was started from a terminal
 * may be meant to outlive it: there the kernel tells those in the foreground.
 */
async function endProcess(
  running: RunningExec,
  { ended, isOver }: Life,
  { isTerminal, grace }: { isTerminal: boolean; grace: number },
): Promise<void> {
  const tell = (name: string) => running.signal(name, { alone: isTerminal }).catch(nothing)
  const endedWithin = (ms: number) => Promise.race([ended, sleep(ms, undefined, { ref: false })])
  if (grace > 0) {
    await tell(isTerminal ? 'HUP' : 'TERM')
    await endedWithin(grace)
  }
  while (!isOver()) {
    await tell('KILL')
    await endedWithin(GRACE)
  }
}

/** A signal is for the process alone, as in LXD. */
function obey(running: RunningExec, text: string): void {
  const message = parseControl(text)
  if (message?.command === 'signal') void running.signal(String(message.signal), { alone: true }).catch(nothing)
  if (message?.command === 'window-resize') void running.resize(message.width, message.height).catch(nothing)
}
