import { readFile } from 'node:fs/promises'

/** What an original was asked, and what it answered; ids are those of stand-ins. */
export interface Exchange {
  method: string
  path: string
  /** 0: it hung up without a word. */
  status: number
  contentType: string
  text: string
}

/** Reads `--- [-X METHOD] PORT/PATH`, a status line, headers, an empty line and the (often cut) body, again and again. */
export async function readRecorded(revision: 'seed' | 'head'): Promise<Exchange[]> {
  const whole = await readFile(new URL(`recorded/hebergos-${revision}.txt`, import.meta.url), 'utf8')
  return whole
    .split(/^--- /m)
    .slice(1)
    .map((part) => {
      const [request = '', statusLine = '', ...rest] = part.split('\n')
      const [, method = 'GET', path = ''] = /^(?:-X (\w+) )?\d+(\/\S*)$/.exec(request) ?? []
      const blank = rest.indexOf('')
      const type = rest.slice(0, blank).find((line) => line.startsWith('Content-Type: ')) ?? ''
      return {
        method,
        path,
        status: Number(/^HTTP\S+ (\d+)/.exec(statusLine)?.[1] ?? 0),
        contentType: type.replace('Content-Type: ', ''),
        text: rest
          .slice(blank + 1)
          .join('\n')
          .trim(),
      }
    })
}

/** `request recorded here` of each row `| revision | \`request\` | recorded | here | why |` of COVERAGE.md. */
export async function readDeviations(revision: string): Promise<Set<string>> {
  const whole = await readFile(new URL('COVERAGE.md', import.meta.url), 'utf8')
  const own = whole.split(/^## /m).find((part) => part.startsWith('hebergos\n')) ?? ''
  const rows = [...own.matchAll(/^\| (seed|head) \| `([^`]+)` \| (\d+) \| (\d+) \| .+ \|$/gm)]
  return new Set(
    rows
      .filter(([, of]) => of === revision)
      .map(([, , request = '', recorded = '', here = '']) => `${request} ${recorded} ${here}`),
  )
}
