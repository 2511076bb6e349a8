/** Between the words of HebergOS docker link and ours. */
import type { InstancesPost } from '../../contract/instance.ts'
import { badRequest } from '../../core/failure.ts'
import { isForeign } from '../../core/foreign.ts'
import { cpuLimitOf } from '../../core/limits.ts'
import { toPorts } from '../../core/proxy-device.ts'
import type { Usage } from '../../core/usage.ts'
import type { Listed } from '../../services/directory.ts'
import type { RunState } from '../../services/run-states.ts'
import type { CreateBody, Entry, FullEntry, PatchBody, Stats } from './wire.ts'

/** What later revisions call themselves on the containers they have made. */
const VERSION = 'v0.0.1'
const PORT_ROOT = 'user.hebergos.host_port_root'
const GIB = 2 ** 30
/** Forwarded for every container. */
const USUAL_PORTS = ['22/tcp', '80/tcp', '443/tcp']
/** Where the original's containers work. */
const WORKDIR = '/var/www/html'

type Run = Pick<RunState, 'status' | 'startedAt' | 'exitCode'>

export function isRunning({ status }: Pick<Run, 'status'>): boolean {
  return status === 'running' || status === 'paused' || status === 'restarting'
}

/** `name` with the engine's leading slash. */
export function toEntry({ nickname }: Listed, run: Run): Entry {
  const times = isRunning(run) ? { started_at: Math.floor(run.startedAt / 1000) } : { exit_code: run.exitCode }
  return { name: `/${nickname}`, state: run.status, ...times }
}

export function toFullEntry(listed: Listed, run: Run): FullEntry {
  const { record, config, devices } = listed.view
  const proxies = Object.values(devices).filter((device) => device['type'] === 'proxy')
  const ports = proxies.flatMap(toPorts).map(({ containerPort, protocol }) => [`${containerPort}/${protocol}`, {}])
  return {
    ...toEntry(listed, run),
    dockerlink: isForeign(record) ? 'not_dockerlink' : VERSION,
    host_port_root: config[PORT_ROOT] ?? null,
    ports: Object.fromEntries(ports),
  }
}

/** Those later than `since` (Unix seconds), by their time. */
export function toStats(usage: readonly Usage[], since: number, limit: number): Stats {
  const entries = usage.filter(({ at }) => at > since).map((one) => [String(one.at), toStat(one, limit)])
  return Object.fromEntries(entries)
}

function toStat(usage: Usage, limit: number): Stats[string] {
  return {
    memory: { used: rounded(usage.memoryBytes / GIB, 6), limit: rounded(usage.memoryLimitBytes / GIB, 6) },
    cpu: { usage_percent: rounded(usage.cpuPercent, 3), limit: rounded(limit, 3) },
    net: {
      up: kib(usage.sentBytes),
      down: kib(usage.receivedBytes),
      delta_up: kib(usage.sentDelta),
      delta_down: kib(usage.receivedDelta),
    },
  }
}

/** Percent of one processor; 0: none. */
export function cpuLimit({ view }: Listed): number {
  return cpuLimitOf(view.config)
}

const kib = (bytes: number): number => Math.round(bytes / 1024)
const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** The engine's rule for names of containers. */
export function parseName(name: string | undefined): string {
  if (name === undefined || name === '') throw badRequest('missing name')
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$/.test(name))
    throw badRequest(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`)
  return name
}

/** A new container, without its image: not started, with its ports on the host. */
export function toInstance(body: CreateBody, name: string, portArea: number): InstancesPost {
  const { host_port_root: root, memory, cpulimit, ports = [], commands = [] } = body
  if (root === undefined) throw badRequest('missing host_port_root')
  if (memory === undefined) throw badRequest('missing memory')
  if (cpulimit === undefined) throw badRequest('missing cpulimit')
  if (!Number.isInteger(root) || root < 0) throw badRequest(`invalid host_port_root ${root}`)
  const wanted = [...new Set([...USUAL_PORTS, ...ports.map((port) => parsePort(port, portArea))])]
  return {
    name,
    config: {
      ...limitsOf({ memory, cpulimit }),
      [PORT_ROOT]: String(root),
      'raw.docker.workdir': WORKDIR,
      ...(commands.length > 0 && { 'raw.docker.command': `sh -c ${quoted(startLine(commands))}` }),
    },
    devices: Object.fromEntries(wanted.map((port) => [`port-${port.replace('/', '-')}`, toProxy(port, root)])),
  }
}

/** `memory` in GiB and `cpulimit` in processors → limits; 0 is none. */
export function limitsOf({ memory, cpulimit }: PatchBody): Record<string, string> {
  if (memory !== undefined && memory < 0) throw badRequest(`invalid memory ${memory}`)
  if (cpulimit !== undefined && cpulimit < 0) throw badRequest(`invalid cpulimit ${cpulimit}`)
  const share = Math.max(1, Math.round((cpulimit ?? 0) * 100))
  return {
    ...(memory !== undefined && { 'limits.memory': memory === 0 ? '' : String(Math.round(memory * GIB)) }),
    ...(cpulimit !== undefined && { 'limits.cpu.allowance': cpulimit === 0 ? '' : `${share}ms/100ms` }),
  }
}

/** `8080/tcp`, or `8080` → `8080/tcp`. */
function parsePort(port: string, portArea: number): string {
  const [, digits = '', protocol = 'tcp'] = /^([0-9]{1,5})(?:\/(tcp|udp))?$/.exec(port) ?? []
  const number = Number(digits)
  if (digits === '' || number < 1) throw badRequest(`invalid port ${port}`)
  if (number >= portArea) throw badRequest(`port area size is ${portArea}`)
  return `${number}/${protocol}`
}

function toProxy(port: string, root: number): Record<string, string> {
  const [number = '', protocol = ''] = port.split('/')
  const host = root + Number(number)
  if (host > 65_535) throw badRequest(`host_port_root ${root} leaves no port on the host for ${port}`)
  return { type: 'proxy', listen: `${protocol}:0.0.0.0:${host}`, connect: `${protocol}:127.0.0.1:${number}` }
}

/** After the commands the original's containers run their ssh server; where there is none they are kept up. */
function startLine(commands: readonly string[]): string {
  const stay = 'if [ -x /usr/sbin/sshd ]; then exec /usr/sbin/sshd -D; else exec tail -f /dev/null; fi'
  return [...commands, stay].join(' && ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
