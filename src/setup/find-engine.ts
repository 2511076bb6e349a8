import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { request, type RequestOptions } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './host.ts'

const PROBE_MS = 3_000

/** What looking for an engine gave. `unchecked`: an address that only a full client can try (TLS, ssh). */
export type EngineFinding =
  | { readonly kind: 'found'; readonly dockerHost: string; readonly version: string }
  | { readonly kind: 'unchecked'; readonly dockerHost: string }
  | { readonly kind: 'denied'; readonly dockerHost: string }
  | { readonly kind: 'silent'; readonly dockerHost: string }
  | { readonly kind: 'absent'; readonly tried: readonly string[] }

/**
 * The engine this user means: DOCKER_HOST alone where it is set, else the current docker context, rootless sockets and
 * /var/run/docker.sock. One that answers wins over one that refuses us, and that over none.
 */
export async function findEngine(env: Environment): Promise<EngineFinding> {
  const hosts = await listDockerHosts(env)
  const findings: EngineFinding[] = []
  for (const host of hosts) {
    const isPrivate = host.startsWith('tcp://') && Boolean(env['DOCKER_TLS_VERIFY'])
    const finding: EngineFinding = isPrivate ? { kind: 'unchecked', dockerHost: host } : await probeEngine(host)
    if (finding.kind === 'found' || finding.kind === 'unchecked') return finding
    findings.push(finding)
  }
  const withKind = (kind: EngineFinding['kind']) => findings.find((finding) => finding.kind === kind)
  return withKind('silent') ?? withKind('denied') ?? { kind: 'absent', tried: hosts }
}

/** Addresses to try, best first. */
export async function listDockerHosts(env: Environment): Promise<string[]> {
  if (env['DOCKER_HOST']) return [env['DOCKER_HOST']]
  const home = env['HOME'] ?? homedir()
  const runtime = env['XDG_RUNTIME_DIR']
  const hosts = [
    await readContextHost(env, home),
    runtime === undefined ? undefined : `unix://${runtime}/docker.sock`,
    `unix://${home}/.docker/run/docker.sock`,
    `unix://${home}/.colima/default/docker.sock`,
    'unix:///var/run/docker.sock',
  ]
  return [...new Set(hosts.filter((host) => host !== undefined))]
}

/** The address in the current docker context; undefined for the default one. Docker keeps it under the name's sha256. */
async function readContextHost(env: Environment, home: string): Promise<string | undefined> {
  const folder = env['DOCKER_CONFIG'] ?? join(home, '.docker')
  const name = env['DOCKER_CONTEXT'] ?? textAt(await readJson(join(folder, 'config.json')), 'currentContext')
  if (name === undefined || name === '' || name === 'default') return undefined
  const id = createHash('sha256').update(name).digest('hex')
  return textAt(await readJson(join(folder, 'contexts/meta', id, 'meta.json')), 'Endpoints', 'docker', 'Host')
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(() => 'null')
  try {
    return JSON.parse(text)
  } catch {
    // A file that Docker itself could not read either: as good as none.
    return undefined
  }
}

function textAt(value: unknown, ...path: string[]): string | undefined {
  let at = value
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = Object.entries(at).find(([key]) => key === name)?.[1]
  }
  return typeof at === 'string' ? at : undefined
}

/** Asks one address for its version. */
export async function probeEngine(dockerHost: string): Promise<EngineFinding> {
  const target = toRequestOptions(dockerHost)
  if (target === undefined) return { kind: 'unchecked', dockerHost }
  const answer = await askVersion(target)
  if (answer.kind === 'version') return { kind: 'found', dockerHost, version: answer.version }
  if (answer.kind === 'timeout') return { kind: 'silent', dockerHost }
  const isDenied = answer.code === 'EACCES' || answer.code === 'EPERM'
  return isDenied ? { kind: 'denied', dockerHost } : { kind: 'absent', tried: [dockerHost] }
}

function toRequestOptions(dockerHost: string): RequestOptions | undefined {
  if (dockerHost.startsWith('unix://')) return { socketPath: dockerHost.slice('unix://'.length) }
  if (!/^(tcp|http):\/\//.test(dockerHost)) return undefined
  const url = new URL(dockerHost.replace(/^tcp:/, 'http:'))
  // 2376 is Docker's port for TLS.
  if (url.port === '2376') return undefined
  return { host: url.hostname, port: url.port || '2375' }
}

type VersionAnswer =
  | { readonly kind: 'version'; readonly version: string }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'error'; readonly code: string }

function askVersion(target: RequestOptions): Promise<VersionAnswer> {
  return new Promise((resolve) => {
    const sent = request({ ...target, path: '/version', agent: false, timeout: PROBE_MS }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('end', () => resolve(readVersion(text)))
      answer.on('error', () => resolve({ kind: 'error', code: 'EPIPE' }))
    })
    sent.on('timeout', () => {
      resolve({ kind: 'timeout' })
      sent.destroy()
    })
    sent.on('error', (error) => {
      resolve({ kind: 'error', code: 'code' in error && typeof error.code === 'string' ? error.code : '' })
    })
    sent.end()
  })
}

function readVersion(text: string): VersionAnswer {
  const version = /"Version":"([^"]+)"/.exec(text)?.[1]
  return version === undefined ? { kind: 'error', code: 'EPROTO' } : { kind: 'version', version }
}
