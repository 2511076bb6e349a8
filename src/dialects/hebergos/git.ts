/** Git in a container: command lines that take nothing from a request as an option, and what git says. */
import { badRequest } from '../../core/failure.ts'

/** Most of git's output that is shown, bytes. */
export const MAX_OUTPUT = 1024 * 1024
/** Nobody is there to be asked for a password. */
export const ENVIRONMENT = { GIT_TERMINAL_PROMPT: '0' }

export type GitPlace = { path: string | undefined }

export const fetchAll = (place: GitPlace) => git(place, 'fetch', '--all')
export const init = (place: GitPlace) => git(place, 'init')
export const head = (place: GitPlace) => git(place, 'log', '--no-color', '-1')
export const branches = (place: GitPlace) => git(place, 'branch', '--no-color', '--no-column', '-a')
export const currentBranch = (place: GitPlace) => git(place, 'rev-parse', '--abbrev-ref', 'HEAD')
/** The two hyphens keep git from taking a file's name for a branch and overwriting that file. */
export const checkout = (place: GitPlace, branch: string) => git(place, 'checkout', parseBranch(branch), '--')

function git({ path }: GitPlace, ...words: string[]): string[] {
  return path === undefined || path === '' ? ['git', ...words] : ['git', '-C', parsePath(path), ...words]
}

/** The word after `-C` is a path, whatever it looks like. */
function parsePath(path: string): string {
  if (!path.startsWith('/') || path.includes('\0') || path.length > 4095)
    throw badRequest('path must be an absolute path in the container')
  return path
}

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const NO_REFERENCE = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\.$|\/$|^\/|^-|^@$/

/** Git's own rule (check-ref-format), which leaves no option and no expression. */
function parseBranch(branch: string): string {
  const parts = branch.split('/')
  const isName = !NO_REFERENCE.test(branch) && parts.every((part) => !part.startsWith('.') && !part.endsWith('.lock'))
  if (branch === '' || branch.length > 255 || !isName) throw badRequest(`"${branch}" is not a valid branch name`)
  return branch
}

/** The last word of each line of `git branch -a`, without what stands there for a detached head. */
export function toBranches(stdout: string): string[] {
  const lines = stdout.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('* ('))
  return lines.map((line) => line.trim().split(/\s+/).at(-1) ?? '')
}
