import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { busyboxPlaces } from './busybox.ts'
import { type EngineFinding, findEngine } from './find-engine.ts'
import { type Environment, SetupError } from './host.ts'
import { findLockHolder } from './lock.ts'
import { describeDenied } from './permissions.ts'
import { type ListenAddress, refuseBusyPort } from './ports.ts'
import { findRedisServer } from './redis.ts'
import { findStaticBusybox } from './starter-image.ts'

/** What `doctor` looks at. */
export interface DoctorOptions {
  readonly env: Environment
  readonly dataDir: string
  readonly http: ListenAddress | undefined
  readonly https: ListenAddress | undefined
  /** Given where a foreign Redis is used. */
  readonly redisUrl: string | undefined
  readonly cache: string
}

/** One thing that was looked at: `missing` keeps Windlass from starting, `note` does not. */
export interface Finding {
  readonly what: string
  readonly state: 'good' | 'note' | 'missing'
  /** What was found, or how to mend it. */
  readonly text: string
}

/** Looks at everything `up` needs and changes nothing. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const holder = await findLockHolder(options.dataDir)
  const node: Finding = { what: 'Node', state: 'good', text: process.version }
  const rest = await Promise.all([
    examineEngine(options.env),
    examineRedis(options),
    examineDataDir(options.dataDir),
    examineListeners(options, holder?.pid),
    examineBusybox(options.cache),
  ])
  return [node, ...rest.flat()]
}

/** The findings as lines for a person. */
export function describeFindings(findings: readonly Finding[]): string {
  const marks = { good: 'ok     ', note: 'note   ', missing: 'MISSING' } as const
  return findings.map(({ what, state, text }) => `${marks[state]} ${`${what}:`.padEnd(16)}${text}`).join('\n')
}

async function examineEngine(env: Environment): Promise<Finding> {
  const what = 'Docker Engine'
  return { what, ...judgeEngine(await findEngine(env)) }
}

function judgeEngine(finding: EngineFinding): Omit<Finding, 'what'> {
  if (finding.kind === 'found') return { state: 'good', text: `${finding.version} at ${finding.dockerHost}` }
  if (finding.kind === 'unchecked')
    return { state: 'note', text: `${finding.dockerHost} is tried when the server starts` }
  return { state: 'missing', text: describeMissingEngine(finding) }
}

function describeMissingEngine(finding: Exclude<EngineFinding, { kind: 'found' | 'unchecked' }>): string {
  if (finding.kind === 'denied') return describeDenied(finding.dockerHost)
  if (finding.kind === 'silent') return `${finding.dockerHost} takes connections but does not answer: restart it`
  return `none answers at ${finding.tried.join(', ')}: "npm start" installs and starts Debian's docker.io; elsewhere start Docker Desktop or colima, or set DOCKER_HOST`
}

async function examineRedis({ env, redisUrl }: DoctorOptions): Promise<Finding> {
  const what = 'Redis'
  if (redisUrl !== undefined)
    return { what, state: 'note', text: 'the one in REDIS_URL is tried when the server starts' }
  const found = await findRedisServer(env)
  if (found !== undefined) return { what, state: 'good', text: `${found.path} ${found.version}` }
  const text =
    'no redis-server or valkey-server of 6.2 or newer: apt-get install redis-server (macOS: brew install redis), or set REDIS_URL'
  return { what, state: 'missing', text }
}

async function examineDataDir(dataDir: string): Promise<Finding> {
  const what = 'Data directory'
  const isUsable = await mkdir(dataDir, { recursive: true, mode: 0o700 })
    .then(() => access(dataDir, constants.W_OK))
    .then(
      () => true,
      () => false,
    )
  if (isUsable) return { what, state: 'good', text: dataDir }
  return { what, state: 'missing', text: `${dataDir} is not writable: set WINDLASS_DATA_DIR to a folder of yours` }
}

async function examineListeners(
  { http, https, dataDir }: DoctorOptions,
  holder: number | undefined,
): Promise<Finding[]> {
  if (holder !== undefined) return [{ what: 'Server', state: 'good', text: `runs on ${dataDir} (process ${holder})` }]
  return Promise.all([examinePort('HTTP', http), examinePort('HTTPS', https)])
}

async function examinePort(what: 'HTTP' | 'HTTPS', address: ListenAddress | undefined): Promise<Finding> {
  if (address === undefined) return { what, state: 'good', text: 'off' }
  return refuseBusyPort(address, `WINDLASS_${what}`).then(
    () => ({ what, state: 'good', text: `${address.host}:${address.port} is free` }),
    (error: unknown) => ({ what, state: 'missing', text: error instanceof SetupError ? error.message : String(error) }),
  )
}

async function examineBusybox(cache: string): Promise<Finding> {
  const what = 'Starter image'
  const found = await findStaticBusybox(busyboxPlaces(cache))
  if (found !== undefined) return { what, state: 'good', text: `from ${found}` }
  return {
    what,
    state: 'note',
    text: 'no static busybox; "npm start" unpacks Debian\'s, elsewhere pull an image instead',
  }
}
