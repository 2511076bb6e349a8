/**
 * Files of running containers by processes in them: for what only these see (a tmpfs, /dev, /proc), and for what must
 * not come between a process inside and its file. Needs sh, and tar for reading; unsupported where they are missing.
 */
import { randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Execs, RunningExec } from '../../core/container.ts'
import { badRequest, internal, notFound, timedOut, tooLarge, unsupported } from '../../core/failure.ts'
import type { FileAttributes, Files } from '../../core/files.ts'
import { chunksOf } from './chunks.ts'
import { abortFailure, says } from './errors.ts'
import { createFileReads, type OpenTar } from './file-reads.ts'
import { bytesOf } from './file-put.ts'
import { guardStream } from './stream-guard.ts'

/** Milliseconds a reader may take for its next piece. */
const READ_IDLE = 30_000
/** Most of what a command says to its standard error that is kept. */
const MAX_WORDS = 2_000

// $1 is what is written aside, $2 its owner, $3 its mode, $4 the file, $5 its bytes.
const KEEP = 'cat > "$1"'
const REPLACE = '[ "$(wc -c < "$1")" -eq "$5" ] && chown "$2" "$1" && chmod "$3" "$1" && mv -f "$1" "$4"'
const APPEND = '[ "$(wc -c < "$1")" -eq "$5" ] && cat "$1" >> "$4" && rm -f "$1"'

export function createGuestFiles(execs: Execs): Files {
  const sh = async (container: string, script: string, words: readonly string[], signal?: AbortSignal) => {
    const running = await run(execs, container, ['sh', '-c', script, 'sh', ...words], signal)
    running.stdin.end()
    return ended(running, words[0] ?? '')
  }

  const putFile: Files['putFile'] = async (place, content, { append, ...attributes }, signal) => {
    const { container, path } = place
    const aside = posix.join(posix.dirname(path), `.windlass-${randomUUID()}`)
    // Before the first byte is taken, so that there is another way where there is no shell.
    await sh(container, ': > "$1"', [aside], signal)
    try {
      const size = await pour(await run(execs, container, ['sh', '-c', KEEP, 'sh', aside], signal), content)
      const words = [aside, ownerOf(attributes), modeOf(attributes), path, String(size)]
      await sh(container, append === true ? APPEND : REPLACE, words, signal)
    } catch (failure) {
      await sh(container, 'rm -f "$1"', [aside]).catch(() => undefined)
      throw failure
    }
  }

  const reads = createFileReads(openTar(execs))
  return {
    ...reads,
    typeOf: async (place, signal) => (await reads.look(place, signal))?.type,
    putFile,
    putDirectory: async ({ container, path }, attributes, signal) => {
      const words = [path, ownerOf(attributes), modeOf(attributes)]
      await sh(container, 'mkdir "$1" && chown "$2" "$1" && chmod "$3" "$1"', words, signal)
    },
    putSymlink: async ({ container, path }, target, attributes, signal) => {
      const words = [path, ownerOf(attributes), target]
      await sh(container, 'rm -f "$1" && ln -s -- "$3" "$1" && chown -h "$2" "$1"', words, signal)
    },
    remove: async ({ container, path }, isDirectory, signal) => {
      await sh(container, isDirectory ? 'rmdir "$1"' : 'rm -f "$1"', [path], signal)
    },
    resolve: async ({ container, path }, signal) =>
      (await sh(container, 'readlink -f "$1"', [path], signal)).replace(/\n$/, '') || path,
  }
}

const ownerOf = ({ uid, gid }: FileAttributes): string => `${uid}:${gid}`
const modeOf = ({ mode }: FileAttributes): string => mode.toString(8).padStart(4, '0')

function run(execs: Execs, container: string, command: string[], signal?: AbortSignal): Promise<RunningExec> {
  const plain = { tty: false, width: 0, height: 0, user: '0:0', cwd: '/', environment: { LC_ALL: 'C' } }
  return execs.run({ ...plain, container, command, marker: randomUUID() }, signal)
}

/** What it has put out, once it has ended well. */
async function ended({ stdout, stderr, exit }: RunningExec, path: string): Promise<string> {
  const [{ code, failure }, output, words] = await Promise.all([exit, some(stdout), some(stderr)])
  if (failure !== undefined || code === 126 || code === 127)
    throw unsupported(`The instance has no shell, or not the programs with which ${path} could be written`)
  if (code === 0) return output
  if (says(words, 'no such file', 'nonexistent directory')) throw notFound(`There is no ${posix.dirname(path)}`)
  if (says(words, 'no space left')) throw tooLarge(`The instance has no space left for ${path}`)
  throw badRequest(words.trim().split('\n').at(-1) || 'The upload was broken off')
}

async function some(stream: Readable): Promise<string> {
  let text = ''
  // Without an encoding the chunks of a byte stream are Buffers. What is too much is read as well: the command ends.
  for await (const chunk of stream as AsyncIterable<Buffer>) if (text.length < MAX_WORDS) text += chunk.toString()
  return text.slice(0, MAX_WORDS)
}

async function pour(running: RunningExec, content: Readable): Promise<number> {
  let size = 0
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of bytesOf(content)) {
      size += chunk.length
      yield chunk
    }
  }
  await Promise.all([pipeline(Readable.from(counted(), { objectMode: false }), running.stdin), ended(running, '')])
  return size
}

function openTar(execs: Execs): OpenTar {
  return async ({ container, path }, signal) => {
    const name = `./${posix.basename(path)}`
    const command = ['tar', '-c', '-f', '-', '-C', posix.dirname(path), name]
    const running = await run(execs, container, command, signal)
    running.stdin.end()
    running.stderr.resume()
    const chunks = chunksOf(running.stdout)
    const { value: first } = await chunks.next()
    // A tar of nothing is all zeros, or none.
    if (first === undefined || first[0] === 0) {
      await chunks.return(undefined)
      running.stdout.resume()
      const { code, failure } = await running.exit
      if (failure !== undefined || code === 126 || code === 127)
        throw unsupported(`The instance has no tar with which ${path} could be read`)
      return undefined
    }
    const doing = `reading ${path}`
    const tar = guardStream(Readable.from(joined(first, chunks), { objectMode: false }), {
      idle: READ_IDLE,
      signals: [signal],
      onIdle: () => timedOut(`Nothing moved for ${READ_IDLE / 1000} s while ${doing}`),
      onAbort: (reason) => abortFailure(reason, doing),
      onError: (cause) => internal(`Failed ${doing}`, { cause }),
    })
    tar.once('close', () => {
      // What is left unread would keep the engine from seeing the end of any process of the container.
      running.stdout.destroy()
      if (!running.stdout.readableEnded) running.signal('KILL').catch(() => undefined)
    })
    return tar
  }
}

async function* joined(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  yield* rest
}
