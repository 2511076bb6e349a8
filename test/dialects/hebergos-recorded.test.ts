import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ApiAnswer } from '../../src/setup/api-client.ts'
import type { TestWindlass } from '../support/windlass.ts'
import { hebergos, REPOSITORIES, REPOSITORY, start, TOKEN } from './hebergos-kit.ts'
import { type Exchange, readDeviations, readRecorded } from './hebergos-recorded.ts'

let windlass: TestWindlass
const { makeRunning, makeForeign, sh, clear } = hebergos(() => windlass)

beforeAll(async () => {
  windlass = await start()
})

afterAll(() => windlass?.[Symbol.asyncDispose]())
afterEach(clear)

async function seed(): Promise<Map<string, string>> {
  const [web, database, frozen] = await Promise.all([makeRunning('web1'), makeRunning('db1'), makeRunning('frozen1')])
  await sh('web1', REPOSITORIES)
  await windlass.operate('PUT', '/1.0/instances/db1/state', { action: 'stop', force: true })
  await windlass.operate('PUT', '/1.0/instances/frozen1/state', { action: 'freeze' })
  await makeForeign('plain')
  return new Map([
    ['a', web],
    ['b', database],
    ['d', frozen],
  ])
}

const NAMES = { a: '<WEB1>', b: '<DB1>' } as const
const ids = /([a-d])\1{63}/g

/** What differs, in words. */
function compare({ status, contentType, text }: Exchange, answer: ApiAnswer): string[] {
  const wrong = answer.status === status ? [] : [`recorded ${status}, here ${answer.status}: ${answer.text}`]
  if (wrong.length > 0 || status >= 300) return wrong
  const [type = ''] = contentType.split(';')
  if (text !== '' && !answer.headers['content-type']?.startsWith(type)) wrong.push(`not ${type}`)
  if (type !== 'application/json') return wrong
  if (answer.body === undefined) return [...wrong, 'no JSON']
  // Bodies are cut: every key that is left must be there.
  const keys = [...text.matchAll(/"([a-z_]{1,20})"\s*:/g)].map(([, key = '']) => key)
  return [...wrong, ...keys.filter((key) => !answer.text.includes(`"${key}":`)).map((key) => `no ${key}`)]
}

test.each(['seed', 'head'] as const)(
  'of revision %s get the recorded answers, or those that COVERAGE.md lists',
  async (revision) => {
    const known = await seed()
    const deviations = await readDeviations(revision)
    const recorded = await readRecorded(revision)
    expect(recorded.length).toBeGreaterThan(35)
    const wrong: string[] = []
    const used = new Set<string>()
    for (const exchange of recorded) {
      const path = exchange.path.replaceAll(ids, (_all, letter: string) => known.get(letter) ?? '')
      const name = `${exchange.method} ${exchange.path.replaceAll(ids, (_all, letter: 'a' | 'b') => NAMES[letter])}`
      const answer = await windlass.call(exchange.method, path)
      const differences = compare(exchange, answer)
      const row = `${name} ${exchange.status} ${answer.status}`
      if (deviations.has(row)) used.add(row)
      else wrong.push(...differences.map((difference) => `${name}: ${difference}`))
    }
    expect(wrong).toEqual([])
    expect([...deviations].filter((row) => !used.has(row))).toEqual([])
  },
)

test("a client written from the manual runs the manual's examples", async () => {
  const id = await makeRunning('web1')
  await sh('web1', REPOSITORIES)
  const script = fileURLToPath(new URL('clients/hebergos.mjs', import.meta.url))
  const base = String(windlass.api.url).replace('://', `://x:${TOKEN}@`)
  const { stdout } = await promisify(execFile)(process.execPath, [script, base, id, REPOSITORY])
  expect(stdout.trim().split('\n').at(-1)).toBe('done')
})
