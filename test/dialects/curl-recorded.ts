/** Recorded `curl` calls and what the originals answered; and the list of what is answered differently here. */
import { readFile } from 'node:fs/promises'
import { request as openRequest } from 'node:http'

export interface Recorded {
  method: string
  path: string
  headers: Record<string, string>
  /** As it was sent; undefined for none. */
  body: string | undefined
  status: number
  /** Keys of the JSON object it answered with; undefined where that was none. */
  keys: string[] | undefined
}

/** Reads `--- CURL ARGUMENTS`, status line, headers, an empty line and the body, again and again. */
export async function readRecorded(name: string): Promise<Recorded[]> {
  const whole = await readFile(new URL(`recorded/${name}.txt`, import.meta.url), 'utf8')
  return whole.split(/^--- /m).slice(1).map(readExchange)
}

function readExchange(part: string): Recorded {
  const [call = '', statusLine = '', ...rest] = part.split('\n')
  const [said = '', body] = call.split(/ -d /, 2)
  const headers = [...said.matchAll(/-H ([\w-]+): (\S+)/g)].map(([, name = '', value = '']) => [name, value])
  const method = /-X (\w+)/.exec(said)?.[1]
  const path = said.replace(/^.*http:\/\/[^/]+(\S*).*$/, '$1')
  const text = rest.slice(rest.indexOf('') + 1).join('\n')
  return {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    path,
    headers: Object.fromEntries(headers),
    body,
    status: Number(statusLine.split(' ')[1]),
    keys: keysOf(text),
  }
}

/** The keys of a JSON object, and of the object in it where it holds just one. */
function keysOf(text: string): string[] | undefined {
  try {
    const found: unknown = JSON.parse(text)
    if (typeof found !== 'object' || found === null || Array.isArray(found)) return undefined
    const inner = Object.entries(found).flatMap(([key, value]) =>
      key === 'container' && typeof value === 'object' ? Object.keys(value ?? {}).map((name) => `${key}.${name}`) : [],
    )
    return [...Object.keys(found), ...inner].toSorted()
  } catch {
    return undefined
  }
}

/** How an answer differs from the recorded one, apart from keys that are listed as added; undefined if it does not. */
export function differenceOf(
  { status, keys }: Recorded,
  answer: { status: number; text: string },
  { request, added }: { request: string; added: string[] },
) {
  if (answer.status !== status) return { request, recorded: status, here: answer.status }
  if (keys === undefined) return undefined
  const own = keysOf(answer.text)?.filter((key) => keys.includes(key) || !added.includes(key)) ?? []
  return own.join() === keys.join() ? undefined : { request, recorded: keys, here: own }
}

export interface Deviation {
  request: string
  recorded: number
  here: number
}

/** Rows `| \`request\` | recorded | here | why |` of a section of COVERAGE.md. */
export async function readDeviations(section: string): Promise<Deviation[]> {
  return [...(await readSection(section)).matchAll(/^\| `([^`]+)` \| (\d{3}) \| (\d{3}) \| .+ \|$/gm)].map(
    ([, asked = '', recorded, here]) => ({ request: asked, recorded: Number(recorded), here: Number(here) }),
  )
}

/** Keys that answers have here beside the recorded ones: `- key \`name\`: why`. */
export async function readAddedKeys(section: string): Promise<string[]> {
  return [...(await readSection(section)).matchAll(/^- key `([^`]+)`: .+$/gm)].map(([, key = '']) => key)
}

async function readSection(section: string): Promise<string> {
  const whole = await readFile(new URL('COVERAGE.md', import.meta.url), 'utf8')
  return whole.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? ''
}

export interface HttpAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  body: unknown
}

/** A request over HTTP with just these headers; the body as it is. */
export function sendRaw(
  url: string,
  {
    method,
    path,
    headers = {},
    body,
  }: { method: string; path: string; headers?: Record<string, string>; body?: string },
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const sent = openRequest(url + path, { method, agent: false, headers: { ...length, ...headers } }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => (text += chunk))
      answer.on('error', reject)
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, body: decode(text) }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function decode(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
