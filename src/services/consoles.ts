/** The terminal of an instance: joined over websockets. What it has said before is in instance-logs.ts. */
import type { InstanceConsolePost } from '../contract/instance.ts'
import type { OperationRecord } from '../contract/operation-record.ts'
import type { AttachedConsole } from '../core/container.ts'
import type { Engine } from '../core/engine.ts'
import { badRequest } from '../core/failure.ts'
import { checkAction } from '../core/instance-status.ts'
import { engineOf } from './engine-of.ts'
import { requireRole, type Caller } from './caller.ts'
import { parseControl } from './control-messages.ts'
import type { InstanceViews, Where } from './instance-views.ts'
import { instanceUrl } from './instance-urls.ts'
import { on, requireOwn } from './instance-operations.ts'
import type { Channel } from './stream-session.ts'
import type { StreamEnd, Streams, StreamTurn } from './streams.ts'
import { tellOf, type Write } from './writes.ts'

export interface ConsolesDeps {
  views: Pick<InstanceViews, 'get'>
  engines: ReadonlyMap<string, Engine>
  streams: Pick<Streams, 'open'>
  write: Write
}

interface Size {
  width: number
  height: number
}

export type Consoles = ReturnType<typeof createConsoles>

export function createConsoles({ views, engines, streams, write }: ConsolesDeps) {
  /** The operation that waits for its websockets; letting go of either of them detaches. */
  async function attach(caller: Caller, where: Where, body: InstanceConsolePost): Promise<OperationRecord> {
    requireRole(caller, 'operator')
    const view = await views.get(caller, where)
    requireOwn(view)
    checkType(body.type ?? '')
    checkAction('console', view.status.status)
    const { record } = view
    const engine = engineOf(engines, record.member)
    const size = { width: body.width ?? 0, height: body.height ?? 0 }
    const context = { type: 'console' }
    const event = { action: 'instance-console', source: instanceUrl(record), project: record.project, context }
    return streams.open(
      caller,
      { ...on(record, 'instance.console', { instance: record.uuid, ...size }), metadata: {} },
      {
        names: ['0', 'control'],
        needed: ['0'],
        carry: (turn) =>
          carry(engine, record.container, size, { ...turn, onStart: () => tellOf(write, caller, event) }),
      },
    )
  }

  return { attach }
}

function checkType(type: string): void {
  if (type === 'vga') throw badRequest('VGA console is only supported by virtual machines')
  if (type !== '' && type !== 'console') throw badRequest(`Unknown console type "${type}"`)
}

interface Showing extends StreamTurn {
  /** Called when the console is joined. */
  onStart: () => Promise<void>
}

async function carry(engine: Engine, container: string, size: Size, turn: Showing): Promise<StreamEnd> {
  const screen = await turn.channel('0')
  const attached = await engine.containers.attach(container)
  try {
    if (size.width > 0 && size.height > 0) await attached.resize(size.width, size.height)
    turn.aside(turn.onStart())
    await show(attached, screen, turn)
  } finally {
    attached.detach()
  }
  turn.signal.throwIfAborted()
  return { metadata: {} }
}

/** Until the container stops, the client has gone, or the signal aborts. */
async function show(attached: AttachedConsole, screen: Channel, { channel, signal }: StreamTurn): Promise<void> {
  const control = channel('control')
  void control.then(({ onText }) =>
    onText((text) => {
      const message = parseControl(text)
      if (message?.command !== 'window-resize') return
      attached.resize(message.width, message.height).catch(() => undefined)
    }),
  )
  const { promise: over, resolve: end } = Promise.withResolvers<void>()
  for (const { closed } of [screen, { closed: control.then((one) => one.closed) }]) void closed.then(end)
  signal.addEventListener('abort', () => end(), { once: true })
  if (signal.aborted) end()
  screen.input.pipe(attached.input, { end: false })
  attached.output.pipe(screen.output)
  // A connection that breaks tells no end.
  attached.output.once('close', () => screen.output.end())
  screen.output.once('finish', end)
  await over
}
