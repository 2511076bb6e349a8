import { execFile, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Environment variables, handed in: rooms do not read the process's own. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A failure that is one sentence for the person at the terminal: what is wrong and what to do. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}

/** What set-up says and asks, and the commands it runs; tests put their own in its place. */
export interface Terminal {
  /** Can a person be asked? */
  readonly isInteractive: boolean
  say(text: string): void
  /** A yes-or-no question; only where `isInteractive`. */
  ask(question: string): Promise<boolean>
  /** Runs a command with its output shown on standard error; throws SetupError where it fails. */
  run(command: readonly string[]): Promise<void>
}

// Places of servers that a plain user's PATH leaves out, and of Homebrew's.
const furtherFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/opt/homebrew/bin']

/** Absolute path of a program, or undefined. */
export async function findProgram(name: string, env: Environment): Promise<string | undefined> {
  const folders = [...(env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''), ...furtherFolders]
  for (const folder of folders) {
    const path = join(folder, name)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return undefined
}

/** Standard output of a program, or undefined where it fails or takes more than five seconds. */
export async function outputOf(program: string, ...args: string[]): Promise<string | undefined> {
  return execute(program, args, { timeout: 5_000 }).then(
    ({ stdout }) => stdout,
    () => undefined,
  )
}

/** The terminal of this process. */
export function openTerminal(): Terminal {
  return {
    isInteractive: process.stdin.isTTY && process.stderr.isTTY,
    say: (text) => void process.stderr.write(`${text}\n`),
    ask: async (question) => {
      const prompt = createInterface({ input: process.stdin, output: process.stderr })
      // Ctrl-C and the end of input close the prompt without an answer: that is a no.
      const unanswered = new Promise<string>((resolve) => void prompt.once('close', () => resolve('')))
      prompt.once('SIGINT', () => prompt.close())
      const answer = await Promise.race([prompt.question(`${question} [y/N] `), unanswered])
      prompt.close()
      return /^y(es)?$/i.test(answer.trim())
    },
    run: runShown,
  }
}

async function runShown([program = '', ...args]: readonly string[]): Promise<void> {
  // Standard output is for what the command itself has to say; sudo asks on the terminal.
  const child = spawn(program, args, { stdio: ['inherit', 2, 2] })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  if (code !== 0)
    throw new SetupError(`This failed: ${[program, ...args].join(' ')} (exit ${code}); its own words are above.`)
}
