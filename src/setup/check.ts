import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Environment } from './host.ts'

/** A tool that looks at the whole project. */
interface Tool {
  readonly name: string
  readonly args: readonly string[]
  /** How many of the project's files it has inspected, read from its own output; a gate that saw none is no gate. */
  readonly countFiles: (output: string) => number
}

/** The result of one tool. */
export interface ToolResult {
  readonly name: string
  readonly isGood: boolean
  readonly files: number
  readonly output: string
}

const onFiles = (output: string): number => Number(/ on (\d+) files? /.exec(output)?.[1] ?? 0)

const tools: readonly Tool[] = [
  // Several threads would each work out the same types, and the others need the processors meanwhile.
  { name: 'tsc', args: ['-p', '.', '--listFiles', '--singleThreaded'], countFiles: countListedFiles },
  { name: 'oxlint', args: ['--type-aware', '.'], countFiles: onFiles },
  { name: 'oxfmt', args: ['--check', '.'], countFiles: onFiles },
  {
    name: 'knip',
    args: ['--no-progress', '--reporter', 'symbols', '--reporter', './src/setup/knip-count.mjs'],
    countFiles: (output) => Number(/^inspected (\d+) files$/m.exec(output)?.[1] ?? 0),
  },
]

/** Files of ours in tsc's list: absolute paths outside node_modules. */
export function countListedFiles(output: string): number {
  return output.split('\n').filter((line) => /^\/.*\.ts$/.test(line) && !line.includes('/node_modules/')).length
}

/** Runs types, lint, format and dead code; `report` gets each result as it comes. */
export async function check(
  root: string,
  env: Environment,
  report: (result: ToolResult) => void,
): Promise<ToolResult[]> {
  return Promise.all(
    tools.map(async (tool) => {
      const result = await runTool(tool, root, env)
      report(result)
      return result
    }),
  )
}

/** A result as text: one line where it is good, the tool's own words where not. */
export function describeResult({ name, isGood, files, output }: ToolResult): string {
  if (isGood) return `ok      ${name}: ${files} files`
  const words = output
    .split('\n')
    .filter((line) => !(name === 'tsc' && /^\/.*\.([cm]?ts|json)$/.test(line)))
    .join('\n')
  return `${words.trimEnd()}\nFAILED  ${name}: ${files} files${files === 0 ? ', so it has checked nothing' : ''}`
}

async function runTool({ name, args, countFiles }: Tool, root: string, env: Environment): Promise<ToolResult> {
  const child = spawn(join(root, 'node_modules/.bin', name), args, {
    cwd: root,
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const take = (chunk: Buffer): void => void (output += chunk.toString())
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output += String(error)
      resolve(1)
    })
    child.once('close', resolve)
  })
  const files = countFiles(output)
  return { name, isGood: code === 0 && files > 0, files, output }
}
