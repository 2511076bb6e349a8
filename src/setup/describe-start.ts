import { fieldOf } from './api-client.ts'
import type { Environment } from './host.ts'

/** What the API process says when it is ready. */
export interface ReadyNote {
  readonly url: string | undefined
  readonly https: string | undefined
  readonly docs: string | undefined
  readonly socket: string | undefined
  readonly tokenFile: string | undefined
}

/** Decodes the ready message of the API process; `socket` is the configured one. */
export function readReadyNote(message: unknown, socket: string | undefined): ReadyNote {
  const text = (name: string): string | undefined => {
    const value = fieldOf(message, name)
    return typeof value === 'string' ? value : undefined
  }
  return {
    url: text('url'),
    https: text('https'),
    docs: text('docs'),
    socket: text('socket') ?? socket,
    tokenFile: text('tokenFile'),
  }
}

/** What the summary is made from; `token` is given only where it may be shown. */
export interface StartFacts {
  readonly note: ReadyNote
  readonly token: string | undefined
  readonly env: Environment
}

/** The lines that say where the server is, ending in a command that works when pasted. */
export function describeStart({ note, token, env }: StartFacts): string {
  const where = token ?? (note.tokenFile === undefined ? 'the one in WINDLASS_TOKEN' : `in ${note.tokenFile}`)
  const lines = [
    ['URL', note.url === undefined ? undefined : `${note.url}/1.0`],
    ['Token', note.url === undefined ? undefined : where],
    ['Swagger UI', note.docs],
    ['HTTPS', note.https === undefined ? undefined : `${note.https} (lxc config trust add, lxc remote add)`],
    ['Unix socket', note.socket === undefined ? undefined : `${note.socket} (admin, no token)`],
  ]
  const shown = lines
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `  ${`${name}:`.padEnd(13)}${value}`)
  return ['', 'Windlass is ready.', ...shown, '', 'Try:', `  ${firstCurl(note, env)}`, ''].join('\n')
}

/** Lists the instances; by the unix socket where there is no HTTP or no token file to read. */
export function firstCurl({ url, tokenFile, socket }: ReadyNote, env: Environment): string {
  if (socket !== undefined && (url === undefined || tokenFile === undefined)) {
    return `curl --unix-socket ${quote(socket)} "http://windlass/1.0/instances?recursion=1"`
  }
  const hasProxy = Boolean(env['http_proxy'] ?? env['all_proxy'] ?? env['ALL_PROXY'])
  const options = hasProxy ? `--noproxy '*' ` : ''
  const token = tokenFile === undefined ? '$WINDLASS_TOKEN' : `$(cat ${quote(tokenFile)})`
  return `curl ${options}-H "Authorization: Bearer ${token}" "${url}/1.0/instances?recursion=1"`
}

function quote(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}
