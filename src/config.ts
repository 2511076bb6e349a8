/**
 * The environment, read once at start. Every setting is a row of the table below: the README's table, the checks and
 * the type of the configuration come from it. All faults are told at once.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { parseReach, type Reach } from './core/outbound.ts'
import { parseRegistryReference } from './core/registry-reference.ts'
import { parseOpened, parsePlacements } from './dialects/names.ts'
import { parseTemplates } from './dialects/templates.ts'
import { SetupError } from './setup/host.ts'
import type { ListenAddress } from './setup/ports.ts'

interface Setting<T> {
  /** One line for the README's table. */
  doc: string
  /** What the table shows as default. */
  shown: string
  /** undefined: not set. Throws an Error whose message completes "WINDLASS_X must …". */
  parse(text: string | undefined): T
}

function setting<T>(doc: string, shown: string, parse: (text: string | undefined) => T): Setting<T> {
  return { doc, shown, parse }
}

function integer(fallback: number, least: number, most: number) {
  return (text: string | undefined): number => {
    if (text === undefined) return fallback
    const number = Number(text)
    if (!Number.isInteger(number) || number < least || number > most)
      throw new Error(`be a whole number from ${least} to ${most}, not "${text}"`)
    return number
  }
}

function oneOf<const Word extends string>(words: readonly Word[], fallback: Word) {
  return (text: string | undefined): Word => {
    const found = words.find((word) => word === (text ?? fallback))
    if (found === undefined) throw new Error(`be one of ${words.join(', ')}, not "${text}"`)
    return found
  }
}

function dataDirectory(text: string | undefined): string {
  if (text !== undefined) return text
  if (process.getuid?.() === 0) return '/var/lib/windlass'
  return join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'windlass')
}

function listener(fallback: string) {
  return (text: string | undefined): ListenAddress | undefined => {
    if (text === 'off') return undefined
    const [, host, port] = /^(.+):(\d{1,5})$/.exec(text ?? fallback) ?? []
    if (host === undefined || Number(port) > 65_535) throw new Error(`be host:port, or off, not "${text}"`)
    return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
  }
}

function token(text: string | undefined): string | undefined {
  if (text !== undefined && text.length < 16) throw new Error('have 16 characters or more')
  return text
}

function url(text: string | undefined): string | undefined {
  if (text !== undefined && !/^http:\/\/[^/]+$/.test(text)) throw new Error(`be http://host:port, not "${text}"`)
  return text
}

/** Not said again in the fault: there may be a password in it. */
function redisUrl(text: string | undefined): string | undefined {
  if (text !== undefined && !/^(rediss?:\/\/.|unix:\/\/\/.)/.test(text))
    throw new Error('be redis://host:port, rediss://host:port or unix:///path')
  return text
}

function registry(text: string | undefined): string | undefined {
  if (text !== undefined && parseRegistryReference(`${text}/image`) === undefined)
    throw new Error(`be a registry, with a path, such as docker.io/library, not "${text}"`)
  return text
}

function networks(text: string | undefined): Reach {
  const reach = parseReach(text ?? '')
  if (reach === undefined) throw new Error(`be networks such as 10.0.0.0/8, separated by commas, not "${text}"`)
  return reach
}

const optional = (text: string | undefined): string | undefined => text

const days = 86_400_000
const SETTINGS = {
  WINDLASS_DATA_DIR: setting(
    'Folder of everything Windlass keeps on this machine: its Redis, the admin token, the unix socket.',
    '`/var/lib/windlass` as root, else `~/.local/share/windlass`',
    dataDirectory,
  ),
  WINDLASS_HTTP: setting('`host:port` of the HTTP listener, or `off`.', '`127.0.0.1:8080`', listener('127.0.0.1:8080')),
  WINDLASS_HTTPS: setting(
    '`host:port` of the HTTPS listener, where clients of LXD show certificates, or `off`.',
    '`127.0.0.1:8443`',
    listener('127.0.0.1:8443'),
  ),
  WINDLASS_SOCKET: setting(
    'Path of the unix socket, or `off`. Whoever may open it is admin.',
    '`<data dir>/unix.socket`',
    optional,
  ),
  WINDLASS_PEER_URL: setting(
    'Where other API processes of the deployment, on other machines, reach this one.',
    'its HTTP listener, unless that is on loopback',
    url,
  ),
  WINDLASS_TOKEN: setting('The admin token, instead of a generated one; 16 characters or more.', 'generated', token),
  WINDLASS_WORKERS: setting('How many worker processes `npm start` keeps.', '`2`', integer(2, 0, 64)),
  WINDLASS_CONCURRENCY: setting('Operations one worker process performs at the same time.', '`8`', integer(8, 1, 64)),
  WINDLASS_MEMBER: setting('Name of the Docker Engine in queues and records.', '`local`', (text) => {
    if (text !== undefined && !/^[a-z0-9][a-z0-9-]{0,62}$/.test(text))
      throw new Error('be lower-case letters, digits and hyphens')
    return text ?? 'local'
  }),
  WINDLASS_WORKER_NAME: setting('Name of this worker process in records and logs.', '`worker-<pid>`', optional),
  WINDLASS_KEEP_DAYS: setting(
    'How long finished operations stay readable.',
    '`7`',
    (text) => integer(7, 1, 3650)(text) * days,
  ),
  WINDLASS_KEEP_OPERATIONS: setting(
    'How many finished operations are kept at most.',
    '`200000`',
    integer(200_000, 100, 100_000_000),
  ),
  WINDLASS_UPLOAD_GIB: setting(
    'Largest upload of an image, in GiB.',
    '`20`',
    (text) => integer(20, 1, 10_000)(text) * 2 ** 30,
  ),
  WINDLASS_REGISTRY: setting(
    "Whose images stand for those of simplestreams servers: with `docker.io/library`, `ubuntu:22.04` is Docker Hub's.",
    'none',
    registry,
  ),
  WINDLASS_OPERATORS_REACH: setting(
    'Private networks in which operators may name other servers to copy images from and to, such as `10.0.0.0/8`; admins may name any.',
    'none',
    networks,
  ),
  WINDLASS_LONGEST_WAIT: setting(
    'Seconds one `/wait` or `Prefer: wait` may take at most.',
    '`600`',
    (text) => integer(600, 1, 3600)(text) * 1000,
  ),
  WINDLASS_SYNC_WAIT: setting(
    'Seconds a request waits for work that its API answers at once; the work goes on after that.',
    '`60`',
    (text) => integer(60, 1, 3600)(text) * 1000,
  ),
  WINDLASS_ATTACH_WITHIN: setting(
    'Seconds a client has to open the websockets of an exec or a console.',
    '`30`',
    (text) => integer(30, 1, 3600)(text) * 1000,
  ),
  WINDLASS_DIALECTS: setting(
    'Where the old APIs are served: `hostapi,lwp=/panel,vz=127.0.0.1:8888,-hebergos` (as it is, under a prefix, on a port of its own, off).',
    'all five as they are',
    (text) => parsePlacements(text ?? ''),
  ),
  WINDLASS_OPEN_DIALECTS: setting(
    'Dialects that answer without a token, on loopback only: `hostapi`, `vzapi`, `hebergos`.',
    'none',
    (text) => parseOpened(text ?? ''),
  ),
  WINDLASS_OPEN_DIALECTS_ANYWHERE: setting(
    '`yes`: opened dialects answer other machines too.',
    '`no`',
    oneOf(['no', 'yes'], 'no'),
  ),
  WINDLASS_HEBERGOS_IMAGE: setting(
    'hebergos: the image of a container that is made without one.',
    '`busybox`',
    (text) => text ?? 'busybox',
  ),
  WINDLASS_HEBERGOS_PORTS: setting(
    'hebergos: size of the port area that each container has on the host.',
    '`5000`',
    integer(5000, 1, 65_535),
  ),
  WINDLASS_HEBERGOS_BRANCH: setting(
    'hebergos: `GET /v1/git/branch` tells all branches (`list`, first revision) or the current one (`current`, later ones).',
    '`list`',
    oneOf(['list', 'current'], 'list'),
  ),
  WINDLASS_LWP_TEMPLATES: setting(
    'lwp: images by the names of LXC templates, added to those known: `ubuntu=ubuntu:24.04,web=my-alias`.',
    'the usual distributions',
    (text) => parseTemplates(text ?? ''),
  ),
  WINDLASS_LWP_SHORT_TOKENS: setting(
    'lwp: tokens of fewer than 16 characters are taken with a warning (`warn`), or refused (`refuse`).',
    '`warn`',
    oneOf(['warn', 'refuse'], 'warn'),
  ),
  WINDLASS_UNSAFE_REDIS: setting(
    '`yes` accepts a Redis without append-only file or with an evicting policy. Operations can then be lost.',
    '`no`',
    oneOf(['no', 'yes'], 'no'),
  ),
  WINDLASS_SETUP: setting('`off`: never install or start anything on the host.', '`on`', oneOf(['on', 'off'], 'on')),
  WINDLASS_TEST_POINT: setting('For tests: named points at which a process holds operations.', '', optional),
  WINDLASS_TEST_LOCK: setting(
    "For tests: milliseconds after which a dead worker's operation may be taken over.",
    '',
    (text) => (text === undefined ? undefined : integer(0, 100, 60_000)(text)),
  ),
  WINDLASS_TEST_TICK: setting(
    'For tests: a cron expression with seconds, by which schedules are looked at.',
    '',
    (text) => text ?? '* * * * *',
  ),
  REDIS_URL: setting(
    'A Redis to use, instead of one of its own: `redis://…`, `rediss://…` or `unix:///path`.',
    'its own',
    redisUrl,
  ),
  DOCKER_HOST: setting(
    'The Docker Engine: `unix:///path` or `tcp://host:port`. `docker_sock`, also in a `.env` file, is read as this.',
    'found by itself',
    optional,
  ),
  DOCKER_TLS_VERIFY: setting(
    'Anything but nothing: an engine at `tcp://` is spoken to by TLS, with a client certificate.',
    'not set',
    (text) => text !== undefined,
  ),
  DOCKER_CERT_PATH: setting(
    'Folder of `ca.pem`, `cert.pem` and `key.pem` for that.',
    '`~/.docker`',
    (text) => text ?? join(homedir(), '.docker'),
  ),
  LOG_LEVEL: setting(
    'trace, debug, info, warn, error, fatal or silent.',
    '`info`',
    oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], 'info'),
  ),
} as const

type Name = keyof typeof SETTINGS
type Values = { readonly [N in Name]: ReturnType<(typeof SETTINGS)[N]['parse']> }

export interface Config extends Values {
  /** `WINDLASS_…` variables that mean nothing: warned about. */
  readonly unknown: string[]
}

/** Other variables of this prefix that are read elsewhere: by the starter, the tests and the image. */
const ELSEWHERE = /^WINDLASS_(TEST_|RUNTIME|YES)/

type Env = Readonly<Record<string, string | undefined>>

/** The frozen configuration; `folder` is where a `.env` may lie. Throws one SetupError that lists every fault. */
export function readConfig(env: Env = process.env, folder: string = process.cwd()): Config {
  const given: Env = { ...env, DOCKER_HOST: env['DOCKER_HOST'] || dockerSock(env, folder) }
  const faults: string[] = []
  const entries = Object.entries(SETTINGS).map(([name, row]) => {
    const text = given[name]
    try {
      return [name, row.parse(text === '' ? undefined : text)]
    } catch (fault) {
      faults.push(`${name} must ${fault instanceof Error ? fault.message : String(fault)}`)
      return [name, undefined]
    }
  })
  if (faults.length > 0) throw new SetupError(`These settings are wrong:\n  ${faults.join('\n  ')}`)
  const unknown = Object.keys(env).filter(
    (name) => name.startsWith('WINDLASS_') && !(name in SETTINGS) && !ELSEWHERE.test(name),
  )
  const values = Object.fromEntries(entries) as Values // every row was parsed by its own setting
  return Object.freeze({ ...values, unknown })
}

/** HebergOS docker link's name for the engine: a URL or the path of a socket, in the environment or a `.env` file. */
function dockerSock(env: Env, folder: string): string | undefined {
  const address = env['docker_sock'] || fromEnvFile(join(folder, '.env'), 'docker_sock')
  return address?.startsWith('/') ? `unix://${address}` : address
}

function fromEnvFile(file: string, name: string): string | undefined {
  try {
    return parseEnv(readFileSync(file, 'utf8'))[name]
  } catch {
    // Nobody has to have one.
    return undefined
  }
}

/** The README's table of settings. */
export function settingsTable(): string {
  const rows = Object.entries(SETTINGS).map(([name, { doc, shown }]) => `| \`${name}\` | ${doc} | ${shown} |`)
  return ['| Setting | Meaning | Default |', '|---|---|---|', ...rows].join('\n')
}
