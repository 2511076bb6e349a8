/**
 * Finding and ending what an exec started. Engines have no call for it, so every exec carries a marker in its
 * environment, and a second one, as the same user, looks through /proc for it.
 */
import type { Readable } from 'node:stream'
import type { OwnLabels } from '../../core/container.ts'
import { badRequest, conflict, unsupported } from '../../core/failure.ts'
import { inspectPayload } from './inspect.ts'
import { runShortly } from './exec-start.ts'
import { createHelper, removeHelper } from './helpers.ts'
import { importTar } from './image-making.ts'
import { fromDockerLabels } from './labels.ts'
import { count, fields, required, text, textMap } from './read.ts'
import { askUnless, type Wire } from './engine-wire.ts'
import { route } from './requests.ts'

/** The variable that carries the marker. */
export const MARKER = 'WINDLASS_EXEC'

/** A root file system with /bin/sh, grep and kill as plain tar: for containers that have none. */
export type Tools = () => Promise<Readable>

export interface MarkedKill {
  container: string
  marker: string
  user: string
  /** A signal's name; undefined only looks. */
  killSignal: string | undefined
  /** Only what the exec itself started, not what that has started in turn. */
  alone?: boolean
}

const TOOLS = 'windlass/tools:1'

// Exit code 0: found; 1: not found; 125: cannot look. With KILL it looks again, for what was forked meanwhile. All are
// stopped before the first is told, so that none goes on because another one has ended.
// busybox's grep ends a line at its first NUL, hence tr. What an exec itself started has its parent outside: 0.
const SCRIPT = `exec 2>/dev/null
command -v grep >/dev/null && command -v tr >/dev/null || exit 125
mark=$1 name=$2 alone=$3 found=1
tell() {
  again=
  for one in /proc/[0-9]*; do
    tr '\\0' '\\n' <"$one/environ" | grep -qxF -e "$mark" || continue
    [ -z "$alone" ] || grep -q '^PPid:[[:space:]]*0$' "$one/status" || continue
    found=0 again=y
    for each in "$@"; do kill -s "$each" "\${one#/proc/}"; done
  done
}
[ -z "$name" ] || [ -n "$alone" ] || tell STOP
if [ -z "$name" ]; then tell
elif [ "$name" = KILL ]; then
  for round in 1 2 3 4 5; do
    tell KILL
    [ -n "$again" ] || break
  done
elif [ -n "$alone" ]; then tell "$name"
else tell "$name" CONT
fi
exit $found
`

/** Whether something carries the marker; sends it the signal, where there is one. False where nothing can run. */
export async function signalMarked(
  wire: Wire,
  kill: MarkedKill,
  tools: Tools | undefined,
  signal?: AbortSignal,
): Promise<boolean> {
  const name = (kill.killSignal ?? '').replace(/^SIG/i, '').toUpperCase()
  if (!/^[A-Z0-9+-]*$/.test(name)) throw badRequest(`${kill.killSignal ?? ''} is no signal`)
  const payload = await inspectPayload(wire, kill.container, signal)
  const status = text(fields(payload?.State).Status)
  if (payload === undefined || (status !== 'running' && status !== 'paused')) return false
  if (status === 'paused') throw conflict(`Container ${kill.container} is paused`)
  const command = ['sh', '-c', SCRIPT, 'sh', `${MARKER}=${kill.marker}`, name, kill.alone === true ? 'alone' : '']
  const { code } = await runShortly(wire, kill.container, { command, user: kill.user }, signal)
  if (code === 0 || code === 1) return code === 0
  const labels = fromDockerLabels(textMap(fields(payload.Config).Labels), 'container', wire.deployment)
  return besides(wire, { container: kill.container, command, labels }, tools, signal)
}

/** The same from a container beside it that shares its processes: where there is no shell inside, or no such user. */
async function besides(
  wire: Wire,
  look: { container: string; command: readonly string[]; labels: OwnLabels | undefined },
  tools: Tools | undefined,
  signal?: AbortSignal,
): Promise<boolean> {
  if (tools === undefined)
    throw unsupported(`Container ${look.container} has no shell with which its processes could be found`)
  const id = await createHelper(
    wire,
    {
      image: await toolsImage(wire, tools, signal),
      // Not of the operation that made the container: that one has ended.
      labels: { ...(look.labels ?? foreignLabels(wire)), operation: '', step: 'kill' },
      command: look.command,
      host: { PidMode: `container:${look.container}`, CapAdd: ['SYS_PTRACE'] },
    },
    signal,
  )
  try {
    const doing = 'looking for processes'
    const start = { doing, method: 'POST', path: route`/containers/${id}/start`, signal } as const
    // The container may have stopped since, and took all its processes with it.
    if (!(await askUnless(wire, start, ['non running', 'not running', 'no such process']))) return false
    const wait = { doing, method: 'POST', path: route`/containers/${id}/wait`, signal, isBlocking: true } as const
    return count(fields((await wire.ask(wait)).body).StatusCode) === 0
  } finally {
    await removeHelper(wire, id)
  }
}

/** A helper beside a container that is not ours belongs to no record. */
function foreignLabels(wire: Wire): OwnLabels {
  const nobody = { project: '', operation: '', step: '', origin: '' }
  return { deployment: wire.deployment, role: 'helper', uuid: 'none', ...nobody }
}

async function toolsImage(wire: Wire, tools: Tools, signal?: AbortSignal): Promise<string> {
  const path = route`/images/${TOOLS}/json`
  const known = await wire.ask({ doing: `reading image ${TOOLS}`, method: 'GET', path, signal, expect: [404] })
  if (known.status < 300) return required(fields(known.body).Id, "an image's id")
  return importTar(wire, await tools(), { tag: TOOLS }, signal)
}
