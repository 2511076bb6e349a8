/** `metadata.yaml` of LXD's image tarballs, and what of a Docker image's configuration is kept in it. */
import { parse, stringify } from 'yaml'
import type { Boot } from '../../contract/records.ts'
import type { KeptMetadata, TemplateRule } from '../../contract/image-metadata.ts'
import { engineArchitecture } from '../../core/architecture.ts'
import { badRequest } from '../../core/failure.ts'
import { count, fields, type Fields, text, textMap, texts } from './read.ts'

/** How an image that was packed by Windlass runs. LXD reads over it. */
export interface Runs {
  boot: Boot
  command: string[]
  environment: Record<string, string>
}

export interface LxdMetadata {
  /** In the engine's words; '' where nothing is said. */
  architecture: string
  /** All that LXD reads, in LXD's words. */
  told: Omit<KeptMetadata, 'files'>
  /** undefined for an image of LXD's own. */
  runs: Runs | undefined
}

const MAX_PROPERTIES = 1000
/** Characters; those of real images have a few thousand. */
const MAX_YAML = 32 * 1024
const MAX_DEPTH = 32
const MAX_INDENT = 100
const BOOTS: readonly Boot[] = ['application', 'systemd', 'busybox', 'init']

/** Bad-request for what is no YAML of an image. Aliases, with which a short text becomes a long one, are refused. */
export function parseLxdMetadata(yaml: string): LxdMetadata {
  const metadata = fields(parseYaml(yaml))
  const properties = Object.entries(fields(metadata.properties)).slice(0, MAX_PROPERTIES)
  const templates = Object.entries(fields(metadata.templates)).slice(0, MAX_PROPERTIES)
  const runs = fields(metadata.windlass)
  const boot = BOOTS.find((known) => known === runs.boot)
  return {
    architecture: engineArchitecture(text(metadata.architecture)),
    told: {
      architecture: text(metadata.architecture),
      creation_date: seconds(metadata.creation_date),
      expiry_date: seconds(metadata.expiry_date),
      properties: Object.fromEntries(properties.flatMap(([key, value]) => scalar(key, value))),
      templates: Object.fromEntries(templates.map(([path, rule]) => [path, toRule(fields(rule))])),
    },
    runs:
      boot === undefined ? undefined : { boot, command: texts(runs.command), environment: textMap(runs.environment) },
  }
}

function toRule(rule: Fields): TemplateRule {
  return {
    when: texts(rule.when),
    create_only: rule.create_only === true,
    template: text(rule.template),
    properties: Object.fromEntries(
      Object.entries(fields(rule.properties)).flatMap(([key, value]) => scalar(key, value)),
    ),
  }
}

function seconds(value: unknown): number {
  return Number.isSafeInteger(value) ? count(value) : 0
}

/** A short YAML text of somebody else's; `what` it is begins the bad-request for what is none. */
export function parseYaml(yaml: string, what = 'metadata.yaml in the tarball'): unknown {
  if (!isModest(yaml)) throw badRequest(`${what} is too large or nested too deep`)
  try {
    return parse(yaml, { maxAliasCount: 0, uniqueKeys: false, logLevel: 'error' })
  } catch (error) {
    throw badRequest(`${what} cannot be read`, { cause: error })
  }
}

/**
 * Whether the parser can be trusted with it. Its time grows with the square of the size (0.1 MB can take 20 s), and
 * 2,000 open brackets exhaust its stack in a way that ends the process.
 */
function isModest(yaml: string): boolean {
  if (yaml.length > MAX_YAML) return false
  let depth = 0
  for (const character of yaml) {
    if (character === '{' || character === '[') depth += 1
    else if (character === '}' || character === ']') depth = Math.max(0, depth - 1)
    if (depth > MAX_DEPTH) return false
  }
  return yaml.split('\n').every((line) => line.search(/\S|$/) <= MAX_INDENT && countOf(line, /[-?:]\s/g) <= MAX_INDENT)
}

function countOf(line: string, pattern: RegExp): number {
  return line.match(pattern)?.length ?? 0
}

function scalar(key: string, value: unknown): [string, string][] {
  if (typeof value === 'string') return [[key, value]]
  return typeof value === 'number' || typeof value === 'boolean' ? [[key, String(value)]] : []
}

/** The text for an image; times in milliseconds since 1970 (0: it never expires), `architecture` in LXD's words. */
export function formatLxdMetadata(image: {
  architecture: string
  created: number
  expires: number
  properties: Record<string, string>
  templates: KeptMetadata['templates']
  runs?: Runs
}): string {
  return stringify({
    architecture: image.architecture,
    creation_date: Math.floor(count(image.created) / 1000),
    expiry_date: Math.floor(count(image.expires) / 1000),
    properties: image.properties,
    templates: image.templates,
    ...(image.runs !== undefined && { windlass: image.runs }),
  })
}
