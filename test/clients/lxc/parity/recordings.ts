import { readFile } from 'node:fs/promises'

const RECORDED = 'test/fixtures/lxc/recorded.json'

/** A command as it was recorded: LXD's client 5.0.2 and a real LXD 5.0.2. */
export interface Recording {
  /** A number and a name; the order of the recording is theirs. */
  readonly id: string
  readonly words: readonly string[]
  readonly stdin?: string
  /** It ran in a terminal: what it printed is in `out`. */
  readonly tty?: boolean
  readonly env?: Readonly<Record<string, string>>
  /** The exit code; -2 where the recorder ended it by a signal. */
  readonly exit: number
  readonly out: string
  readonly err: string
}

export async function readRecordings(): Promise<readonly Recording[]> {
  // A fixture of ours: its shape is what it was written in.
  return JSON.parse(await readFile(RECORDED, 'utf8')) as Recording[]
}

/** Why and in what a command may differ from its recording. */
export interface Difference {
  /** `meaning`: Docker cannot mean the command, nothing is compared. `exit`: the code, and what is printed. */
  readonly in: 'meaning' | 'exit' | 'output'
  readonly reason: string
}

export async function readDifferences(): Promise<Readonly<Record<string, Difference>>> {
  return JSON.parse(await readFile(new URL('differences.json', import.meta.url), 'utf8')) as Record<string, Difference>
}
