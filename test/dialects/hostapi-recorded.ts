import { readFile } from 'node:fs/promises'

/** What was asked of an original, and what it answered. */
export interface Exchange {
  method: string
  path: string
  /** As it was sent; undefined for none. */
  body: string | undefined
  status: number
  headers: Map<string, string>
  /** The text of the answer. */
  text: string
}

/** Reads `--- [-X METHOD] PORT/PATH [-d BODY]`, status line, headers, an empty line and the body, again and again. */
export async function readRecorded(name: string): Promise<Exchange[]> {
  const whole = await readFile(new URL(`recorded/${name}.txt`, import.meta.url), 'utf8')
  return whole
    .split(/^--- /m)
    .slice(1)
    .map((part) => {
      const [request = '', statusLine = '', ...rest] = part.split('\n')
      const [, method = 'GET', path = '', body] = /^(?:-X (\w+) )?\d+(\/\S*)(?: -d (.*))?$/.exec(request) ?? []
      const blank = rest.indexOf('')
      const headers = rest.slice(0, blank).map((line): [string, string] => {
        const colon = line.indexOf(': ')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)]
      })
      const text = rest
        .slice(blank + 1)
        .join('\n')
        .trim()
      return { method, path, body, status: Number(statusLine.split(' ')[1]), headers: new Map(headers), text }
    })
}

/** A row `| generation | \`request\` | recorded | here | why |` of COVERAGE.md: where the answer here is another one. */
export interface Deviation {
  generation: string
  request: string
  recorded: number
  here: number
}

export async function readDeviations(section: string): Promise<Deviation[]> {
  const whole = await readFile(new URL('COVERAGE.md', import.meta.url), 'utf8')
  const own = whole.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? ''
  return [...own.matchAll(/^\| (\w) \| `([^`]+)` \| (\d{3}) \| (\d{3}) \| .+ \|$/gm)].map(
    ([, generation = '', request = '', recorded, here]) => ({
      generation,
      request,
      recorded: Number(recorded),
      here: Number(here),
    }),
  )
}
