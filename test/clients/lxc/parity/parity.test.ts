/**
 * The commands that were recorded with a real LXD, run against Windlass: the same exit codes and the same output, but for
 * what `differences.json` lists with its reason.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { LXC } from '../../../support/lxc.ts'
import { makeBed, type Bed, type Outcome } from './bed.ts'
import { blank } from './blank.ts'
import { readDifferences, readRecordings, type Difference, type Recording } from './recordings.ts'
import { replay } from './replay.ts'

const REPORT = 'test-results/parity.txt'

interface Compared {
  readonly id: string
  readonly differs: 'exit' | 'output' | undefined
  readonly text: string
}

describe.skipIf(LXC === undefined)('parity with LXD', () => {
  test('recorded commands end and print as they did', { timeout: 900_000 }, async () => {
    const [recordings, known] = await Promise.all([readRecordings(), readDifferences()])
    const meant = recordings.filter(({ id }) => known[id]?.in !== 'meaning')
    const compared: Compared[] = []
    await using bed = await makeBed()
    for await (const [recording, outcome] of replay(bed, meant)) compared.push(compare(bed, recording, outcome))
    const figures = figuresOf(compared, recordings.length)
    await mkdir('test-results', { recursive: true })
    const differing = compared.filter(({ differs }) => differs !== undefined)
    await writeFile(REPORT, `${figures.text}\n\n${differing.map(({ text }) => text).join('\n')}`)
    console.info(`${figures.text}; ${REPORT}`)
    expect(differing.filter((one) => !isKnown(one, known[one.id])).map(({ text }) => text)).toEqual([])
    const needless = Object.entries(known).filter(
      ([id, difference]) => difference.in !== 'meaning' && !differing.some((one) => one.id === id),
    )
    expect(needless, 'does not differ any more').toEqual([])
    expect(figures.exit).toBeGreaterThanOrEqual(95)
    expect(figures.output).toBeGreaterThanOrEqual(85)
  })
})

function compare(bed: Bed, recording: Recording, outcome: Outcome): Compared {
  const { id, words } = recording
  const printed = (out: string, err: string) => `${blank(named(bed, out))}\n${blank(named(bed, err))}`.trim()
  const theirs = printed(recording.out, recording.err)
  const ours = printed(outcome.out, outcome.err)
  const differs = recording.exit === outcome.exit ? (theirs === ours ? undefined : 'output') : 'exit'
  const text = `== ${id}: ${words.join(' ')}\n-- LXD: ${recording.exit}\n${theirs}\n-- Windlass: ${outcome.exit}\n${ours}\n`
  return { id, differs, text }
}

/** What differs by name only has the recorded name. */
function named(bed: Bed, text: string): string {
  let recorded = text
  for (const [name, own] of bed.names) if (own !== '') recorded = recorded.replaceAll(own, name)
  return recorded
}

function isKnown({ differs }: Compared, known: Difference | undefined): boolean {
  return known?.in === differs || (known?.in === 'exit' && differs === 'output')
}

function figuresOf(compared: readonly Compared[], recorded: number) {
  const share = (isSo: (one: Compared) => boolean) => (compared.filter(isSo).length / compared.length) * 100
  const exit = share(({ differs }) => differs !== 'exit')
  const output = share(({ differs }) => differs === undefined)
  const text = `${recorded} commands recorded, ${compared.length} that Docker can mean: exit code equal for ${exit.toFixed(1)} %, output for ${output.toFixed(1)} %`
  return { exit, output, text }
}
