/** Parameters of `prlctl set` as the changes of an instance that they ask for. */
import type { InstancePatch } from '../../contract/instance.ts'
import type { Config } from '../../contract/common.ts'
import { isAddress, macOf } from '../../core/addresses.ts'
import { badRequest } from '../../core/failure.ts'

export type Parameters = Record<string, string>

/** Where they are kept. */
export const PARAMETERS = 'user.vzapi.parameters'
const NOT_APPLIED = 'user.vzapi.not_applied'
export const TEMPLATE = 'user.vzapi.ostemplate'

/** Of one parameter; a bad-request says what is wrong with its value. */
const CONFIG: Record<string, (value: string, all: Parameters) => Record<string, string>> = {
  cpus: (value) => {
    if (!/^[1-9][0-9]{0,3}$/.test(value)) throw wrong('cpus', 'a number from 1')
    return { 'limits.cpu': value }
  },
  memsize: (value, { memsize_units: units = 'M' }) => {
    if (!/^[1-9][0-9]{0,11}$/.test(value)) throw wrong('memsize', 'a number from 1')
    if (!/^[KMGT]$/i.test(units)) throw wrong('memsize_units', 'K, M, G or T')
    return { 'limits.memory': `${value}${units.toUpperCase()}iB` }
  },
  hostname: (value) => ({ 'raw.docker.hostname': value }),
  nameserver: (value) => {
    const servers = value.split(/[\s,]+/).filter((one) => one !== '')
    if (servers.length === 0) throw wrong('nameserver', 'addresses separated by commas')
    return { 'raw.docker.nameservers': servers.join(',') }
  },
}

function wrong(name: string, wanted: string) {
  return badRequest(`parameter ${name} is wrong: ${wanted}`)
}

/** What is not named keeps its effect, as in the original. `now` is the instance's config. */
export function toPatch(parameters: Parameters, now: Config): InstancePatch {
  const entries = Object.entries(parameters)
  const configs = entries.map(([name, value]) => (isKnown(name) ? CONFIG[name]?.(value, parameters) : undefined))
  const notApplied = entries.filter(([name, value]) => !hasEffect(name, value, { parameters, now }))
  const kept = {
    [PARAMETERS]: JSON.stringify(parameters),
    [NOT_APPLIED]: JSON.stringify(notApplied.map(([name]) => name)),
  }
  const { description } = parameters
  return { config: Object.assign({}, ...configs, kept), ...(description !== undefined && { description }) }
}

function isKnown(name: string): boolean {
  return Object.hasOwn(CONFIG, name)
}

/** A disk has no size here; the address is the server's to give, and asking for the one it has asks for nothing. */
function hasEffect(name: string, value: string, { parameters, now }: { parameters: Parameters; now: Config }): boolean {
  if (name === 'ipadd') return hasAddress(value, now)
  if (name === 'memsize_units') return 'memsize' in parameters
  return isKnown(name) || name === 'description'
}

/** A NIC's MAC says its address. */
function hasAddress(value: string, now: Config): boolean {
  const [address = ''] = value.split('/')
  if (!isAddress(address)) throw wrong('ipadd', 'an IPv4 address')
  return Object.entries(now).some(([key, mac]) => /^volatile\..+\.hwaddr$/.test(key) && mac === macOf(address))
}

/** Parameters of the last change that are kept but have no effect. */
export function notAppliedOf(config: Config): string[] {
  const names = readJson(config[NOT_APPLIED])
  return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
}

/** Anyone may write `user.` keys: what is no JSON there is nothing. */
export function readJson(text = ''): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
